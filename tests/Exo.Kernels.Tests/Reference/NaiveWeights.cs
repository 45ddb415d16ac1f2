namespace Exo.Kernels.Tests.Reference;

/// <summary>
/// A second reading of the stored formats, in double and without a line of the code under test: affine elements as MLX packs them, in
/// little-endian 32-bit words.
/// </summary>
internal static unsafe class NaiveWeights
{
    public static double Value(WeightSource source, int row, int column) => source.Format switch
    {
        WeightFormat.F32 => ((float*)source.Address)[Index(source, row, column)],
        WeightFormat.F16 => (double)((Half*)source.Address)[Index(source, row, column)],
        WeightFormat.BF16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)source.Address)[Index(source, row, column)] << 16),
        _ => (Quantum(source, row, column) * Group(source, source.Scales, row, column)) + Group(source, source.Biases, row, column),
    };

    public static int Quantum(WeightSource source, int row, int column)
    {
        int bits = source.Format == WeightFormat.Affine4 ? 4 : 8, perWord = 32 / bits;
        uint word = ((uint*)source.Address)[((long)row * (source.RowLength / perWord)) + (column / perWord)];
        return (int)(word >> (bits * (column % perWord)) & ((1u << bits) - 1));
    }

    public static double Group(WeightSource source, nint address, int row, int column)
    {
        long index = ((long)row * source.RowLength / source.GroupSize) + (column / source.GroupSize);
        return source.ScaleType switch
        {
            DType.F32 => ((float*)address)[index],
            DType.F16 => (double)((Half*)address)[index],
            _ => BitConverter.UInt32BitsToSingle((uint)((ushort*)address)[index] << 16),
        };
    }

    private static long Index(WeightSource source, int row, int column) => ((long)row * source.RowLength) + column;
}
