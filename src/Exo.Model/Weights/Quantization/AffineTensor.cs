namespace Exo.Model.Weights.Quantization;

/// <summary>
/// A matrix in MLX's affine layout: `NAME.weight` U32 [..., columns * bits / 32], `NAME.scales` and `NAME.biases`
/// [..., columns / groupSize] in F32, F16 or BF16. Element i of a row is bits [i * bits, (i + 1) * bits) of the row taken as one
/// little-endian bit stream, and w = fma(q, scale, bias) in float32. Leading dimensions (stacked experts) count as rows.
/// With 16-bit scales q * scale is exact in float32, so one rounding and two give the same value.
/// </summary>
public sealed class AffineTensor
{
    private AffineTensor(TensorView weight, TensorView scales, TensorView biases, AffineFormat format, long rows, int columns)
    {
        Weight = weight;
        Scales = scales;
        Biases = biases;
        Format = format;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>U32 [rows, columns * bits / 32].</summary>
    public TensorView Weight { get; }

    /// <summary>[rows, columns / groupSize].</summary>
    public TensorView Scales { get; }

    /// <summary>[rows, columns / groupSize].</summary>
    public TensorView Biases { get; }

    public AffineFormat Format { get; }

    public long Rows { get; }

    public int Columns { get; }

    /// <summary>True if NAME has scales and biases beside its weight.</summary>
    public static bool Exists(SafetensorsModel model, string name) =>
        model.Contains(name + ".weight") && model.Contains(name + ".scales") && model.Contains(name + ".biases");

    /// <summary>Opens NAME.weight, NAME.scales and NAME.biases, and checks that they belong together.</summary>
    /// <exception cref="SafetensorsException">One is missing, or types and shapes do not fit the format.</exception>
    public static AffineTensor Open(SafetensorsModel model, string name, AffineFormat format)
    {
        TensorView weight = model.Get(name + ".weight");
        TensorView scales = model.Get(name + ".scales");
        TensorView biases = model.Get(name + ".biases");
        if (weight.Dtype != SafetensorsDtype.U32 || weight.Shape.Count < 2)
            throw new SafetensorsException(weight.FileName, $"expected U32 [rows, words], got {weight.Dtype} {weight.ShapeText}", weight.Name);
        long words = weight.Shape[^1];
        long columns = words * 32 / format.Bits;
        if (words > int.MaxValue / 32 || words * 32 % format.Bits != 0 || columns == 0 || columns % format.GroupSize != 0)
        {
            throw new SafetensorsException(
                weight.FileName, $"{weight.ShapeText}: rows of {words} words do not hold whole groups of {format}", weight.Name);
        }
        long[] groupShape = [.. weight.Shape.SkipLast(1), columns / format.GroupSize];
        foreach (TensorView view in (TensorView[])[scales, biases])
        {
            view.Expect(groupShape);
            if (view.Dtype is not (SafetensorsDtype.F32 or SafetensorsDtype.F16 or SafetensorsDtype.BF16))
                throw new SafetensorsException(view.FileName, $"expected F32, F16 or BF16, got {view.Dtype}", view.Name);
        }
        return new AffineTensor(weight, scales, biases, format, weight.NumElements / words, (int)columns);
    }

    public int NumGroups => Columns / Format.GroupSize;

    /// <summary>The integers of one row.</summary>
    public void ReadQuanta(long row, Span<byte> destination)
    {
        if (destination.Length != Columns) throw new ArgumentException($"expected {Columns} bytes, got {destination.Length}");
        int rowBytes = Columns / 8 * Format.Bits;
        ReadOnlySpan<byte> packed = Weight.Bytes(row * rowBytes, rowBytes);
        for (int i = 0; i < Columns; i++) destination[i] = (byte)Unpack(packed, i, Format.Bits);
    }

    /// <summary>The scales and biases of one row, [columns / groupSize] each.</summary>
    public void ReadGroups(long row, Span<float> scales, Span<float> biases)
    {
        if (scales.Length != NumGroups || biases.Length != NumGroups)
            throw new ArgumentException($"expected {NumGroups} floats, got {scales.Length} and {biases.Length}");
        HostTensor.ReadFloats(Scales, row * NumGroups, scales);
        HostTensor.ReadFloats(Biases, row * NumGroups, biases);
    }

    /// <summary>One row as float32, exactly: destination[i] = fma(q[i], scale, bias).</summary>
    public void DequantizeRow(long row, Span<float> destination)
    {
        if (destination.Length != Columns) throw new ArgumentException($"expected {Columns} floats, got {destination.Length}");
        Span<float> scales = NumGroups <= 256 ? stackalloc float[NumGroups] : new float[NumGroups];
        Span<float> biases = NumGroups <= 256 ? stackalloc float[NumGroups] : new float[NumGroups];
        ReadGroups(row, scales, biases);
        int rowBytes = Columns / 8 * Format.Bits;
        ReadOnlySpan<byte> packed = Weight.Bytes(row * rowBytes, rowBytes);
        for (int i = 0; i < Columns; i++)
        {
            int group = i / Format.GroupSize;
            destination[i] = float.FusedMultiplyAdd(Unpack(packed, i, Format.Bits), scales[group], biases[group]);
        }
    }

    /// <summary>All of it as float32 [rows, columns].</summary>
    public float[] Dequantize()
    {
        float[] values = new float[checked((int)(Rows * Columns))];
        for (long row = 0; row < Rows; row++) DequantizeRow(row, values.AsSpan((int)row * Columns, Columns));
        return values;
    }

    /// <summary>Element `index` of a little-endian stream of `bits`-wide unsigned integers.</summary>
    internal static int Unpack(ReadOnlySpan<byte> stream, int index, int bits)
    {
        int firstBit = index * bits;
        int at = firstBit >> 3;
        int window = stream[at] | (at + 1 < stream.Length ? stream[at + 1] << 8 : 0); // bits <= 8 span two bytes at most
        return (window >> (firstBit & 7)) & ((1 << bits) - 1);
    }
}
