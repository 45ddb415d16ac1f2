namespace Exo.Model.Weights;

/// <summary>A tensor to be written: its name in the checkpoint, element type and shape.</summary>
public sealed record TensorSpec(string Name, SafetensorsDtype Dtype, IReadOnlyList<long> Shape)
{
    /// <summary>Bytes of all elements.</summary>
    /// <exception cref="OverflowException">More than a long holds.</exception>
    public long ByteLength => TryByteLength(Dtype, Shape, out long bytes)
        ? bytes
        : throw new OverflowException($"{Name}: [{string.Join(", ", Shape)}]: more elements than 2^63 bytes hold");

    /// <summary>dtype x shape in checked arithmetic; false on overflow or a negative size.</summary>
    public static bool TryByteLength(SafetensorsDtype dtype, IReadOnlyList<long> shape, out long bytes)
    {
        bytes = dtype.ByteSize();
        foreach (long size in shape)
        {
            if (size < 0) return false;
            long high = Math.BigMul(bytes, size, out bytes);
            if (high != 0 || bytes < 0) return false;
        }
        return true;
    }
}
