namespace Exo.Net.Cluster.Control;

/// <summary>Who this process is on its control connections, and what bounds them.</summary>
/// <param name="Identity">What peers are told.</param>
/// <param name="Keys">What membership is proven with.</param>
public sealed record ControlOptions(NodeIdentity Identity, ClusterKeys Keys)
{
    /// <summary>From the first byte to the last of a handshake, TLS included; dialling too.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The clock of that deadline.</summary>
    internal TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Handshakes under way at a listener; one more drops the oldest, the likeliest to be stalling.</summary>
    public int MaxPendingHandshakes { get; init; } = 32;

    /// <summary>Connections that are made but not yet taken from a listener.</summary>
    public int MaxReadyConnections { get; init; } = 32;

    /// <summary>The versions this process speaks.</summary>
    internal VersionRange Versions { get; init; } = VersionRange.Supported;
}

/// <summary>Which end of a connection this is. It goes into the proof, so that one end's proof is never the other's.</summary>
public enum ControlRole : byte
{
    /// <summary>The TLS client.</summary>
    Dialer = 1,
    /// <summary>The TLS server.</summary>
    Listener = 2,
}

/// <summary>Protocol versions, both ends included.</summary>
internal readonly record struct VersionRange(ushort Lowest, ushort Highest)
{
    public static VersionRange Supported => new(1, 1);

    /// <summary>The highest version in both ranges, or null.</summary>
    public ushort? HighestIn(VersionRange other)
    {
        ushort highest = Math.Min(Highest, other.Highest);
        return highest >= Math.Max(Lowest, other.Lowest) ? highest : null;
    }

    public override string ToString() => Lowest == Highest ? $"{Lowest}" : $"{Lowest} to {Highest}";
}
