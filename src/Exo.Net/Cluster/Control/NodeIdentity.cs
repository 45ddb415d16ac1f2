using System.Text;

namespace Exo.Net.Cluster.Control;

/// <summary>
/// Who a process is: the node, this start of it, and a name for people. A node that restarts keeps <see cref="NodeId"/> and gets a new
/// <see cref="BootId"/>, so that whatever was said to the process before cannot be taken for news from the one after.
/// </summary>
public sealed record NodeIdentity
{
    /// <summary>The longest name in bytes of UTF-8: what the handshake's last message has room for.</summary>
    public const int MaxNameBytes = 62;

    /// <summary>Takes the three as they are.</summary>
    /// <exception cref="ArgumentException">The name is empty, too long, or holds control characters.</exception>
    public NodeIdentity(Guid nodeId, Guid bootId, string name)
    {
        if (!IsUsableName(name))
        {
            throw new ArgumentException(
                $"node name: expected 1 to {MaxNameBytes} bytes without control characters, got {name?.Length ?? 0} characters");
        }
        (NodeId, BootId, Name) = (nodeId, bootId, name);
    }

    /// <summary>The node, across restarts.</summary>
    public Guid NodeId { get; }

    /// <summary>This start of the process.</summary>
    public Guid BootId { get; }

    /// <summary>What errors and tables call the node.</summary>
    public string Name { get; }

    /// <summary>A fresh identity: both ids random.</summary>
    public static NodeIdentity Create(string name) => new(Guid.NewGuid(), Guid.NewGuid(), name);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({NodeId.ToString("N")[..8]})";

    // A name is printed to terminals and logs: nothing in it may move a cursor.
    internal static bool IsUsableName(string? name) =>
        !string.IsNullOrWhiteSpace(name) && Encoding.UTF8.GetByteCount(name) <= MaxNameBytes && !name.Any(char.IsControl);
}
