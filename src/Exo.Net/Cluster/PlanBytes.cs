using System.Buffers.Binary;

namespace Exo.Net.Cluster;

/// <summary>Bytes that grow as they are written and are reused after <see cref="Clear"/>.</summary>
internal sealed class ByteWriter
{
    private byte[] _bytes = new byte[4096];
    private int _length;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public void Clear() => _length = 0;
    public void U8(byte value) => Next(1)[0] = value;
    public void U32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Next(4), value);
    public void I32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Next(4), value);
    public void I64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Next(8), value);
    public void F32(float value) => BinaryPrimitives.WriteSingleLittleEndian(Next(4), value);
    public void F64(double value) => BinaryPrimitives.WriteDoubleLittleEndian(Next(8), value);

    public void Ints(List<int> values)
    {
        I32(values.Count);
        foreach (int value in values)
            I32(value);
    }

    private Span<byte> Next(int count)
    {
        if (_bytes.Length - _length < count)
            Array.Resize(ref _bytes, 2 * _bytes.Length);
        _length += count;
        return _bytes.AsSpan(_length - count, count);
    }
}

/// <summary>Reads what a peer sent; nothing is believed that the bytes left could not hold.</summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes, string what)
{
    private ReadOnlySpan<byte> _left = bytes;

    public byte U8() => Next(1)[0];
    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Next(4));
    public int I32() => BinaryPrimitives.ReadInt32LittleEndian(Next(4));
    public long I64() => BinaryPrimitives.ReadInt64LittleEndian(Next(8));
    public float F32() => BinaryPrimitives.ReadSingleLittleEndian(Next(4));
    public double F64() => BinaryPrimitives.ReadDoubleLittleEndian(Next(8));

    /// <summary>A number of items of at least so many bytes each.</summary>
    public int Count(int itemBytes)
    {
        uint count = U32();
        if (count > (uint)(_left.Length / itemBytes))
            throw new ClusterException($"{what}: expected at most {_left.Length / itemBytes} items in {_left.Length} bytes, got {count}");
        return (int)count;
    }

    public int NotNegative(string field)
    {
        int value = I32();
        return value >= 0 ? value : throw new ClusterException($"{what}: {field}: expected 0 or more, got {value}");
    }

    public void Ints(List<int> values)
    {
        int count = Count(sizeof(int));
        values.EnsureCapacity(values.Count + count);
        for (int i = 0; i < count; i++)
            values.Add(I32());
    }

    public readonly void End()
    {
        if (!_left.IsEmpty)
            throw new ClusterException($"{what}: expected its end, got {_left.Length} more bytes");
    }

    private ReadOnlySpan<byte> Next(int count)
    {
        if (_left.Length < count)
            throw new ClusterException($"{what}: expected {count} more bytes, got {_left.Length}");
        var next = _left[..count];
        _left = _left[count..];
        return next;
    }
}
