using System.Buffers.Binary;
using System.Text;

namespace Exo.WeightsTools.Gguf;

/// <summary>Reads a GGUF header from front to back; every length is compared with what is left of the file before it is used.</summary>
internal sealed class GgufCursor(string path, Stream stream)
{
    private const int MaxStringBytes = 1 << 24;

    private readonly long _length = stream.Length;
    private readonly byte[] _scratch = new byte[8];

    public long Position { get; private set; }

    public long Remaining => _length - Position;

    public byte ReadByte() => Take(1)[0];

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public float ReadSingle() => BinaryPrimitives.ReadSingleLittleEndian(Take(4));

    public double ReadDouble() => BinaryPrimitives.ReadDoubleLittleEndian(Take(8));

    /// <summary>A count of things of at least `minBytes` bytes each, of which that many can still follow.</summary>
    public int ReadCount(string what, int minBytes, int maxCount)
    {
        ulong count = ReadUInt64();
        if (count > (ulong)maxCount) throw new GgufException(path, $"{what}: expected at most {maxCount}, got {count}");
        if ((long)count * minBytes > Remaining)
            throw new GgufException(path, $"{what}: {count} do not fit the {Remaining} bytes that follow: truncated?");
        return (int)count;
    }

    public string ReadString(string what)
    {
        ulong length = ReadUInt64();
        if (length > MaxStringBytes || (long)length > Remaining)
            throw new GgufException(path, $"{what}: expected at most {Math.Min(MaxStringBytes, Remaining)} bytes of text, got {length}");
        byte[] bytes = new byte[length];
        Fill(bytes);
        try
        {
            return _strictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new GgufException(path, $"{what}: expected UTF-8 at offset {Position - bytes.Length}");
        }
    }

    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> Take(int count)
    {
        Fill(_scratch.AsSpan(0, count));
        return _scratch.AsSpan(0, count);
    }

    private void Fill(Span<byte> destination)
    {
        if (stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) < destination.Length)
            throw new GgufException(path, $"ends at offset {_length} in the middle of its header: truncated?");
        Position += destination.Length;
    }
}
