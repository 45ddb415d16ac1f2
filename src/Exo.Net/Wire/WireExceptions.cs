namespace Exo.Net.Wire;

/// <summary>Something went wrong on the data connection to <see cref="Peer"/>; the connection is closed unless stated otherwise.</summary>
public abstract class WireException(string peer, string message) : IOException($"{peer}: {message}")
{
    /// <summary>Name of the peer at the other end.</summary>
    public string Peer { get; } = peer;
}

/// <summary>The bytes are not a frame of this protocol, or shared indices make no sense.</summary>
public sealed class GarbledFrameException(string peer, string what) : WireException(peer, $"not a frame: {what}");

/// <summary>The peer speaks another version of the protocol.</summary>
public sealed class WrongVersionException(string peer, byte expected, byte got)
    : WireException(peer, $"expected frame version {expected}, got {got}");

/// <summary>A frame claims more bytes than a frame may have.</summary>
public sealed class OversizedFrameException(string peer, uint limit, uint got)
    : WireException(peer, $"expected a frame of at most {limit} bytes, got {got}");

/// <summary>The frame belongs to another plan than the connection.</summary>
public sealed class WrongEpochException(string peer, uint expected, uint got)
    : WireException(peer, $"expected plan epoch {expected}, got {got}");

/// <summary>A frame that was already taken came again.</summary>
public sealed class ReplayedFrameException(string peer, ulong expected, ulong got)
    : WireException(peer, $"expected frame {expected}, got frame {got} again (replay)");

/// <summary>A frame came before its turn: frames were lost or changed places.</summary>
public sealed class ReorderedFrameException(string peer, ulong expected, ulong got)
    : WireException(peer, $"expected frame {expected}, got frame {got} (lost or out of order)");

/// <summary>The payload or header was changed on the way, or sealed with another key.</summary>
public sealed class WrongTagException(string peer, ulong sequence)
    : WireException(peer, $"frame {sequence} does not authenticate under the connection's key");

/// <summary>A clear frame on a sealed connection, or the reverse.</summary>
public sealed class WrongSealException(string peer, string expected, string got)
    : WireException(peer, $"expected a {expected} frame, got a {got} one");

/// <summary>No byte came for too long in the middle of a frame.</summary>
public sealed class FrameStalledException(string peer, TimeSpan limit)
    : WireException(peer, $"no byte for {limit.TotalMilliseconds:F0} ms in the middle of a frame");

/// <summary>The peer is gone.</summary>
public sealed class PeerClosedException(string peer, string when, PeerEnd end = PeerEnd.Lost)
    : WireException(peer, $"closed the connection {when}")
{
    /// <summary>Whether the peer said goodbye first. One that did is alive, and may have left because another was lost.</summary>
    public PeerEnd End { get; } = end;
}

/// <summary>How a peer left.</summary>
public enum PeerEnd
{
    /// <summary>Its process or the network ended the connection.</summary>
    Lost,

    /// <summary>It said goodbye.</summary>
    Orderly,
}

/// <summary>An operation did not end before its deadline.</summary>
public sealed class WireTimeoutException(string peer, string what)
    : WireException(peer, $"deadline passed while {what}");

/// <summary>The operation was cancelled in the middle of a message, which cannot be taken up again.</summary>
public sealed class WireCanceledException(string peer)
    : WireException(peer, "the connection ended when an operation on it was cancelled in mid-message");

/// <summary>The peer's message is another one than the operation that waits for it: the ranks do not run the same program.</summary>
public sealed class UnexpectedMessageException(string peer, string expected, string got)
    : WireException(peer, $"expected {expected}, got {got}");
