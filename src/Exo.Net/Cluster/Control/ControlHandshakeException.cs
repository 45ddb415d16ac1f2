namespace Exo.Net.Cluster.Control;

/// <summary>Why a control connection was not made.</summary>
public enum HandshakeRefusal
{
    /// <summary>What came first was no TLS, or TLS with nothing in common.</summary>
    NotTls,
    /// <summary>TLS below 1.2, or a cipher suite that is not ECDHE with an AEAD.</summary>
    WeakTls,
    /// <summary>TLS came about, but the peer's first bytes are not this protocol's.</summary>
    NotExo,
    /// <summary>No protocol version is understood by both.</summary>
    Version,
    /// <summary>The peer claims this side's own role: our own messages sent back.</summary>
    Reflected,
    /// <summary>The proof answers a nonce that is not this connection's: a recording.</summary>
    Replayed,
    /// <summary>The proof is right for another TLS connection: somebody stands between.</summary>
    Relayed,
    /// <summary>The proof was not made with a key of this cluster.</summary>
    WrongKey,
    /// <summary>A field holds what the protocol does not allow.</summary>
    Malformed,
    /// <summary>The peer was silent past the deadline.</summary>
    Stalled,
    /// <summary>The peer closed before the handshake was over, or could not be reached.</summary>
    Closed,
    /// <summary>This process dialled itself.</summary>
    Self,
    /// <summary>The peer refused this side, and said why.</summary>
    ByPeer,
    /// <summary>Dropped to make room: more handshakes or connections at once than the listener holds.</summary>
    Overloaded,
}

/// <summary>A control connection that was not made; the message says what was expected, what came and from whom.</summary>
public sealed class ControlHandshakeException(HandshakeRefusal refusal, string peer, string detail, Exception? inner = null)
    : Exception($"control connection with {peer}: {detail}", inner)
{
    /// <summary>Which rule the peer broke.</summary>
    public HandshakeRefusal Refusal { get; } = refusal;

    /// <summary>The peer's address.</summary>
    public string Peer { get; } = peer;
}
