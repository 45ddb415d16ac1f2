using System.Buffers.Binary;

namespace Exo.Net.Wire;

/// <summary>What a frame carries. Each kind is a lane of its own: order is kept inside a kind, not between kinds.</summary>
public enum FrameKind : byte
{
    /// <summary>The peer leaves in good order; nothing follows.</summary>
    Goodbye = 0,

    /// <summary>Part of a collective operation (PROTOCOL.md, "All-reduce").</summary>
    Collective = 1,

    /// <summary>A tensor handed from one rank to another, as between pipeline stages.</summary>
    PointToPoint = 2,

    /// <summary>The leader's plan of one step.</summary>
    StepPlan = 3,

    /// <summary>What a step gave, on its way to the leader.</summary>
    StepResult = 4,

    /// <summary>A link measurement.</summary>
    Probe = 5,
}

/// <summary>Bits of a frame header's flags; the others must be zero.</summary>
[Flags]
public enum FrameFlags : ushort
{
    None = 0,

    /// <summary>The message goes on in the next frame of this kind.</summary>
    More = 1,

    /// <summary>The payload is AES-GCM ciphertext, and a 16-byte tag follows it.</summary>
    Sealed = 2,
}

/// <summary>
/// The 32 bytes before every payload, little-endian:
/// <code>
/// offset size  field
///      0    4  magic     "EXOf" (0x664F5845)
///      4    1  version   1
///      5    1  kind      FrameKind
///      6    2  flags     FrameFlags
///      8    4  epoch     the plan's epoch counter; a connection serves one epoch
///     12    4  step      the step inside the epoch
///     16    8  sequence  number of this frame in its direction, from 0, without gaps
///     24    4  tag       the operation inside the step
///     28    4  length    payload bytes, without the AES-GCM tag; at most MaxPayload
/// </code>
/// </summary>
public readonly record struct FrameHeader(
    FrameKind Kind, FrameFlags Flags, uint Epoch, uint Step, ulong Sequence, uint Tag, int Length)
{
    /// <summary>Bytes of a header on the wire.</summary>
    public const int Size = 32;

    /// <summary>The protocol version that this code speaks.</summary>
    public const byte Version = 1;

    /// <summary>Largest payload of one frame; longer messages are several frames joined by <see cref="FrameFlags.More"/>.</summary>
    public const int MaxPayload = 256 * 1024;

    /// <summary>Bytes of the AES-GCM tag behind a sealed payload.</summary>
    public const int SealBytes = 16;

    /// <summary>Number of values of <see cref="FrameKind"/>.</summary>
    public const int NumKinds = 6;

    private const uint Magic = 0x664F5845;
    private const FrameFlags KnownFlags = FrameFlags.More | FrameFlags.Sealed;

    /// <summary>Bytes that follow the header: the payload and, if sealed, its tag.</summary>
    public int BodyBytes => Length + (IsSealed ? SealBytes : 0);

    /// <summary>The payload is ciphertext with a tag behind it.</summary>
    public bool IsSealed => (Flags & FrameFlags.Sealed) != 0;

    /// <summary>The message ends with this frame.</summary>
    public bool IsLast => (Flags & FrameFlags.More) == 0;

    /// <summary>Writes the 32 bytes.</summary>
    public void Format(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        destination[4] = Version;
        destination[5] = (byte)Kind;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], (ushort)Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[8..], Epoch);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[12..], Step);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], Sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[24..], Tag);
        BinaryPrimitives.WriteInt32LittleEndian(destination[28..], Length);
    }

    /// <summary>
    /// Reads 32 bytes and checks all that can be judged without the connection's state: magic, version, kind, flags, length.
    /// </summary>
    /// <exception cref="GarbledFrameException">The magic, the kind or the flags are unknown.</exception>
    /// <exception cref="WrongVersionException">The version is not <see cref="Version"/>.</exception>
    /// <exception cref="OversizedFrameException">The length is negative or above <see cref="MaxPayload"/>.</exception>
    public static FrameHeader Parse(ReadOnlySpan<byte> source, string peer)
    {
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(source);
        if (magic != Magic) throw new GarbledFrameException(peer, $"expected magic 0x{Magic:X8}, got 0x{magic:X8}");
        if (source[4] != Version) throw new WrongVersionException(peer, Version, source[4]);
        if (source[5] >= NumKinds) throw new GarbledFrameException(peer, $"expected a kind below {NumKinds}, got {source[5]}");
        var flags = (FrameFlags)BinaryPrimitives.ReadUInt16LittleEndian(source[6..]);
        if ((flags & ~KnownFlags) != 0)
            throw new GarbledFrameException(peer, $"expected flags inside 0x{(int)KnownFlags:X4}, got 0x{(int)flags:X4}");
        int length = BinaryPrimitives.ReadInt32LittleEndian(source[28..]);
        if ((uint)length > MaxPayload) throw new OversizedFrameException(peer, MaxPayload, (uint)length);
        return new FrameHeader(
            (FrameKind)source[5],
            flags,
            BinaryPrimitives.ReadUInt32LittleEndian(source[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(source[12..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
            BinaryPrimitives.ReadUInt32LittleEndian(source[24..]),
            length);
    }
}
