using System.Runtime.CompilerServices;
using Exo.Kernels.Numerics;

namespace Exo.Kernels;

/// <summary>
/// Single stored elements of a <see cref="WeightSource"/>, at any column: slow and plain. Columns count from the stored row's beginning.
/// </summary>
public static unsafe class WeightElements
{
    /// <summary>The float32 value of an element: exact for float formats, fma(q, scale, bias) for affine ones.</summary>
    public static float Value(in WeightSource source, int row, int column)
    {
        byte* start = (byte*)source.Address + (row * source.RowBytes);
        return source.Format switch
        {
            WeightFormat.F32 => ((float*)start)[column],
            WeightFormat.F16 => Fp.HalfToSingle(((ushort*)start)[column]),
            WeightFormat.BF16 => Fp.BFloat16ToSingle(((ushort*)start)[column]),
            _ => MathF.FusedMultiplyAdd(Quantum(source, row, column), Scale(source, row, column), Bias(source, row, column)),
        };
    }

    /// <summary>The unsigned q of an affine element: 0..15 or 0..255.</summary>
    public static int Quantum(in WeightSource source, int row, int column)
    {
        byte* start = (byte*)source.Address + (row * source.RowBytes);
        return source.Format switch
        {
            WeightFormat.Affine8 => start[column],
            WeightFormat.Affine4 => (start[column >> 1] >> ((column & 1) * 4)) & 0xF,
            _ => throw new ArgumentException($"{source.Format} elements are not quantized", nameof(source)),
        };
    }

    /// <summary>q recentred: q - 2^(bits - 1), in -8..7 or -128..127.</summary>
    public static int CentredQuantum(in WeightSource source, int row, int column) =>
        Quantum(source, row, column) - (1 << (source.Format.Bits() - 1));

    /// <summary>The scale of the group that holds an affine element.</summary>
    public static float Scale(in WeightSource source, int row, int column) => GroupValue(source, source.Scales, row, column);

    /// <summary>The bias of the group that holds an affine element.</summary>
    public static float Bias(in WeightSource source, int row, int column) => GroupValue(source, source.Biases, row, column);

    /// <summary>The bias that belongs to the recentred q: fma(2^(bits - 1), scale, bias).</summary>
    public static float CentredBias(in WeightSource source, int row, int column) =>
        CentredBias(source.Format, Scale(source, row, column), Bias(source, row, column));

    /// <summary>The bias that belongs to the recentred q of a group with this scale and bias.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float CentredBias(WeightFormat format, float scale, float bias) =>
        MathF.FusedMultiplyAdd(1 << (format.Bits() - 1), scale, bias);

    private static float GroupValue(in WeightSource source, nint address, int row, int column)
    {
        nint index = ((nint)row * (source.RowLength / source.GroupSize)) + (column / source.GroupSize);
        return source.ScaleType switch
        {
            DType.F32 => ((float*)address)[index],
            DType.F16 => Fp.HalfToSingle(((ushort*)address)[index]),
            _ => Fp.BFloat16ToSingle(((ushort*)address)[index]),
        };
    }
}
