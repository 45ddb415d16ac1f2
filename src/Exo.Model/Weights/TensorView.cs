namespace Exo.Model.Weights;

/// <summary>
/// One tensor in a mapped file: row-major, little-endian, never copied. The address is valid until the file is disposed; the view
/// keeps the file from being collected, not from being disposed.
/// </summary>
public sealed class TensorView
{
    private readonly SafetensorsFile _file;
    private readonly long _fileOffset;

    internal TensorView(SafetensorsFile file, string name, SafetensorsDtype dtype, long[] shape, long fileOffset, long byteLength)
    {
        _file = file;
        _fileOffset = fileOffset;
        Name = name;
        Dtype = dtype;
        Shape = shape;
        ByteLength = byteLength;
    }

    public string Name { get; }

    public SafetensorsDtype Dtype { get; }

    /// <summary>Sizes, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The path of the file that holds it.</summary>
    public string FileName => _file.Path;

    public long ByteLength { get; }

    public long NumElements => ByteLength / Dtype.ByteSize();

    /// <summary>Where the first byte is mapped; aligned as the file has it, which may be to a single byte.</summary>
    /// <exception cref="ObjectDisposedException">The file has been closed.</exception>
    public nint Address => _file.BaseAddress + checked((nint)_fileOffset);

    /// <summary>Bytes [start, start + length) of the tensor.</summary>
    public unsafe ReadOnlySpan<byte> Bytes(long start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, ByteLength - length);
        return new ReadOnlySpan<byte>((byte*)Address + start, length);
    }

    /// <summary>The view itself if it has that shape.</summary>
    /// <exception cref="SafetensorsException">It has another one.</exception>
    public TensorView Expect(params ReadOnlySpan<long> shape)
    {
        if (shape.SequenceEqual((long[])Shape)) return this;
        throw new SafetensorsException(FileName, $"expected shape [{string.Join(", ", shape.ToArray())}], got {ShapeText}", Name);
    }

    /// <summary>The shape as it is written in messages: "[576, 1536]".</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    public override string ToString() => $"{Name} {Dtype} {ShapeText}";
}
