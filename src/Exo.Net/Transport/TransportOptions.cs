using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>What both ends of a data connection agree on, and this end's limits.</summary>
public sealed record TransportOptions
{
    /// <summary>Epoch counter of the plan that the connection serves.</summary>
    public uint Epoch { get; init; }

    /// <summary>Seals every frame; null only where the link is trusted (same host, or by configuration). Owned by the transport.</summary>
    public LinkCipher? Cipher { get; init; }

    /// <summary>Bytes of each direction's socket buffer or ring; null for the transport's own choice. Rings want a power of two.</summary>
    public int? BufferBytes { get; init; }

    /// <summary>A frame whose bytes stop coming for this long ends the connection.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Bytes per lane that may wait for a receive that is not posted yet; beyond it the peer is held back. Memory grows only with
    /// use, and is kept.
    /// </summary>
    public int MaxStashBytes { get; init; } = 256 << 20;
}

/// <summary>
/// How a rank's thread waits: first it spins, for at most <see cref="Pauses"/> pause instructions (a failed receive call counts as
/// several), then it offers its core <see cref="Yields"/> times, then it sleeps until a socket or doorbell wakes it.
/// </summary>
public sealed record WaitPolicy(int Pauses, int Yields)
{
    /// <summary>
    /// For ranks that have a core each: 1,000 pauses are 15 to 50 us, about what a sleep and a wake-up cost. They do not yield: two
    /// ranks that hand one core to each other stay on it, where a sleeper is woken on a free one.
    /// </summary>
    public static WaitPolicy Spinning { get; } = new(1000, 0);

    /// <summary>For ranks that share cores: spinning would take time from the rank that is waited for.</summary>
    public static WaitPolicy Sharing { get; } = new(30, 2);

    /// <summary>The policy for so many ranks on a machine with so many cores.</summary>
    public static WaitPolicy For(int numLocalRanks, int numCores) => numLocalRanks <= numCores ? Spinning : Sharing;
}

/// <summary>Names a message: its lane, and the operation that both ends must mean.</summary>
public readonly record struct MessageKey(FrameKind Kind, uint Step, uint Tag)
{
    public override string ToString() => $"{Kind} message of step {Step}, tag {Tag}";
}
