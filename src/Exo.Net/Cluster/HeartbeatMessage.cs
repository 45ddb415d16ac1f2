using System.Buffers.Binary;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>
/// One heartbeat, a datagram of 60 bytes, little-endian:
/// <code>
/// 0   4  magic "EXOh"
/// 4   4  plan epoch
/// 8   4  rank of the sender
/// 12  8  number of the beat in its direction, from 1
/// 20  24 sealed: echo (8), progress step (4), progress operation (4), lateness in ms (4), zero (4)
/// 44  16 AES-GCM tag; the 20 bytes before are its associated data, the number its nonce
/// </code>
/// </summary>
internal readonly record struct HeartbeatMessage(uint Epoch, int Rank, ulong Number, ulong Echo, uint Step, uint Operation, uint LateMs)
{
    public const int SizeBytes = 60;
    private const int HeaderBytes = 20;
    private const int SealedBytes = 24;
    private static ReadOnlySpan<byte> Magic => "EXOh"u8;

    public void Format(Span<byte> datagram, LinkCipher cipher)
    {
        Magic.CopyTo(datagram);
        BinaryPrimitives.WriteUInt32LittleEndian(datagram[4..], Epoch);
        BinaryPrimitives.WriteInt32LittleEndian(datagram[8..], Rank);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram[12..], Number);
        Span<byte> clear = stackalloc byte[SealedBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(clear, Echo);
        BinaryPrimitives.WriteUInt32LittleEndian(clear[8..], Step);
        BinaryPrimitives.WriteUInt32LittleEndian(clear[12..], Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(clear[16..], LateMs);
        clear[20..].Clear();
        cipher.Seal(Number, datagram[..HeaderBytes], clear, datagram.Slice(HeaderBytes, SealedBytes + FrameHeader.SealBytes));
    }

    /// <summary>Sender's rank, as it claims; -1 if this is no heartbeat of the epoch.</summary>
    public static int ClaimedRank(ReadOnlySpan<byte> datagram, uint epoch) =>
        datagram.Length == SizeBytes && datagram[..4].SequenceEqual(Magic) && BinaryPrimitives.ReadUInt32LittleEndian(
            datagram[4..]) == epoch
            ? BinaryPrimitives.ReadInt32LittleEndian(datagram[8..])
            : -1;

    /// <summary>Opens the datagram of a peer; null if its key did not seal it.</summary>
    public static HeartbeatMessage? TryOpen(ReadOnlySpan<byte> datagram, LinkCipher cipher)
    {
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(datagram[12..]);
        Span<byte> clear = stackalloc byte[SealedBytes];
        if (!cipher.TryOpen(number, datagram[..HeaderBytes], datagram.Slice(HeaderBytes, SealedBytes + FrameHeader.SealBytes), clear))
            return null;
        return new HeartbeatMessage(
            BinaryPrimitives.ReadUInt32LittleEndian(datagram[4..]), BinaryPrimitives.ReadInt32LittleEndian(datagram[8..]), number,
            BinaryPrimitives.ReadUInt64LittleEndian(clear), BinaryPrimitives.ReadUInt32LittleEndian(clear[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(clear[12..]), BinaryPrimitives.ReadUInt32LittleEndian(clear[16..]));
    }
}
