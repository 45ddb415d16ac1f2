using System.Buffers.Binary;
using System.Text;

namespace Exo.Net.Cluster.Control;

/// <summary>
/// The first message of each side, the same in every version of the protocol so that versions can be compared:
/// <code>
/// 0   4  magic "EXOC"
/// 4   2  lowest version spoken, little-endian
/// 6   2  highest version spoken
/// 8   1  role of the sender: 1 dialer, 2 listener
/// 9   7  zero when sent, not looked at when read
/// 16  32 nonce, random
/// </code>
/// </summary>
internal readonly record struct Hello(VersionRange Versions, ControlRole Role, ReadOnlyMemory<byte> Nonce)
{
    public const int SizeBytes = 48;
    public const int NonceBytes = 32;
    private static ReadOnlySpan<byte> Magic => "EXOC"u8;

    public byte[] Format()
    {
        var bytes = new byte[SizeBytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4), Versions.Lowest);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(6), Versions.Highest);
        bytes[8] = (byte)Role;
        Nonce.Span.CopyTo(bytes.AsSpan(16));
        return bytes;
    }

    public static Hello Parse(byte[] bytes, string peer)
    {
        if (!bytes.AsSpan(0, 4).SequenceEqual(Magic))
        {
            throw new ControlHandshakeException(HandshakeRefusal.NotExo, peer,
                $"expected a hello that begins with 45584f43, got {Convert.ToHexStringLower(bytes.AsSpan(0, 4))}");
        }
        var versions = new VersionRange(
            BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(4)), BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(6)));
        if (versions.Lowest > versions.Highest)
        {
            throw new ControlHandshakeException(HandshakeRefusal.Malformed, peer,
                $"expected versions lowest to highest, got {versions.Lowest} to {versions.Highest}");
        }
        var role = (ControlRole)bytes[8];
        if (role is not (ControlRole.Dialer or ControlRole.Listener))
            throw new ControlHandshakeException(HandshakeRefusal.Malformed, peer, $"expected role 1 or 2, got {bytes[8]}");
        return new Hello(versions, role, bytes.AsMemory(16, NonceBytes));
    }
}

/// <summary>
/// The second message of each side: who it is, and the proof that it holds the cluster key on this very TLS connection.
/// <code>
/// 0    32 the peer's nonce, sent back
/// 32   32 SHA-256 of the listener's certificate as the sender sees it
/// 64   16 node id, as RFC 4122 orders its bytes
/// 80   16 boot id
/// 96   2  version chosen, little-endian
/// 98   6  zero
/// 104  32 MAC (<see cref="ControlHandshake"/> says over what)
/// </code>
/// </summary>
internal readonly record struct Proof(
    ReadOnlyMemory<byte> PeerNonce, ReadOnlyMemory<byte> CertificateHash, Guid NodeId, Guid BootId, ushort Version)
{
    public const int SizeBytes = 136;
    public const int MacOffset = 104;

    /// <summary>The message with the MAC's place left zero.</summary>
    public byte[] Format()
    {
        var bytes = new byte[SizeBytes];
        PeerNonce.Span.CopyTo(bytes);
        CertificateHash.Span.CopyTo(bytes.AsSpan(32));
        NodeId.TryWriteBytes(bytes.AsSpan(64), bigEndian: true, out _);
        BootId.TryWriteBytes(bytes.AsSpan(80), bigEndian: true, out _);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(96), Version);
        return bytes;
    }

    public static Proof Parse(byte[] bytes) => new(
        bytes.AsMemory(0, 32), bytes.AsMemory(32, 32), new Guid(bytes.AsSpan(64, 16), bigEndian: true),
        new Guid(bytes.AsSpan(80, 16), bigEndian: true), BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(96)));
}

/// <summary>
/// The last message of each side: accepted or why not, so that a refusal is read on both ends, and the sender's name.
/// <code>
/// 0  1  0 accepted, or 1 + the refusal
/// 1  1  length of the name in bytes
/// 2  62 name, UTF-8, zero after its end
/// </code>
/// </summary>
internal readonly record struct Verdict(HandshakeRefusal? Refusal, string Name)
{
    public const int SizeBytes = 64;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public byte[] Format()
    {
        var bytes = new byte[SizeBytes];
        bytes[0] = Refusal is { } refusal ? (byte)(1 + (int)refusal) : (byte)0;
        bytes[1] = (byte)Strict.GetBytes(Name, bytes.AsSpan(2));
        return bytes;
    }

    public static Verdict Parse(byte[] bytes, string peer)
    {
        HandshakeRefusal? refusal = bytes[0] == 0 ? null : (HandshakeRefusal)(bytes[0] - 1);
        if (refusal is { } claimed && !Enum.IsDefined(claimed))
            throw new ControlHandshakeException(HandshakeRefusal.Malformed, peer, $"expected a verdict of 0 to 14, got {bytes[0]}");
        return new Verdict(refusal, ParseName(bytes, peer));
    }

    private static string ParseName(byte[] bytes, string peer)
    {
        int length = bytes[1];
        if (length <= SizeBytes - 2 && bytes.AsSpan(2 + length).IndexOfAnyExcept((byte)0) < 0)
        {
            try
            {
                string name = Strict.GetString(bytes, 2, length);
                if (NodeIdentity.IsUsableName(name))
                    return name;
            }
            catch (DecoderFallbackException)
            {
                // Reported below, with every other name that is none.
            }
        }
        throw new ControlHandshakeException(HandshakeRefusal.Malformed, peer,
            $"expected a node name of 1 to {NodeIdentity.MaxNameBytes} bytes of UTF-8 without control characters, got length {length}");
    }
}
