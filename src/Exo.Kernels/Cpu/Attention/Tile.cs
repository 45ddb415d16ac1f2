using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>A number that the JIT sees as a constant.</summary>
internal interface IConstant
{
    /// <summary>The number.</summary>
    static abstract int Value { get; }
}

/// <summary>How the second factor of a tile lies in memory.</summary>
internal unsafe interface IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>A vector of elements, converted exactly.</summary>
    static abstract TVector Load(byte* source);
}

internal readonly unsafe struct FloatElement<TSimd, TVector> : IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 4;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source) => TSimd.Load((float*)source);
}

internal readonly unsafe struct HalfElement<TSimd, TVector> : IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source) => TSimd.LoadHalf((ushort*)source);
}

internal readonly struct One : IConstant
{
    /// <inheritdoc/>
    public static int Value => 1;
}

internal readonly struct Two : IConstant
{
    /// <inheritdoc/>
    public static int Value => 2;
}

internal readonly struct Three : IConstant
{
    /// <inheritdoc/>
    public static int Value => 3;
}

internal readonly struct Four : IConstant
{
    /// <inheritdoc/>
    public static int Value => 4;
}

internal readonly struct Six : IConstant
{
    /// <inheritdoc/>
    public static int Value => 6;
}

/// <summary>
/// out[i, j] = (out[i, j] * factor[i], or 0) + a[i, 0] b[0, j] + a[i, 1] b[1, j] + ...: one fma after another in ascending order, as many
/// rows and columns at once as there are registers. Both products of attention are this: scores (a = queries, b = keys [width][16]) and
/// sums of values (a = probabilities [16], b = values [16][width]). The scalar line it equals: acc = fma(b[k, j], a[i, k], acc).
/// </summary>
internal static unsafe class Tile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
    where TElement : struct, IElement<TSimd, TVector>
{
    /// <summary>
    /// All rows and columns. a: [numRows, depth], rows aStride floats apart; b: [depth, numColumns], rows bStride elements apart; output:
    /// [numRows, numColumns]. numColumns is a multiple of the vector width. factors: one for each row, or null to begin with zeros.
    /// </summary>
    public static void Multiply(
        float* a, nint aStride, byte* b, nint bStride, float* output, nint outputStride, float* factors, int numRows, int numColumns, int depth)
    {
        int column = 0;
        for (; column <= numColumns - (2 * TSimd.Width); column += 2 * TSimd.Width)
            Rows<Two>(a, aStride, b + (column * TElement.Bytes), bStride, output + column, outputStride, factors, numRows, depth);
        if (column < numColumns)
            Rows<One>(a, aStride, b + (column * TElement.Bytes), bStride, output + column, outputStride, factors, numRows, depth);
    }

    private static void Rows<TColumns>(
        float* a, nint aStride, byte* b, nint bStride, float* output, nint outputStride, float* factors, int numRows, int depth)
        where TColumns : struct, IConstant
    {
        while (numRows > 0)
        {
            int rows = numRows >= 6 && numRows != 8 ? 6 : numRows >= 4 && numRows != 5 ? 4 : Math.Min(numRows, 3);
            if (rows == 6) Block<Six, TColumns>(a, aStride, b, bStride, output, outputStride, factors, depth);
            else if (rows == 4) Block<Four, TColumns>(a, aStride, b, bStride, output, outputStride, factors, depth);
            else if (rows == 3) Block<Three, TColumns>(a, aStride, b, bStride, output, outputStride, factors, depth);
            else if (rows == 2) Block<Two, TColumns>(a, aStride, b, bStride, output, outputStride, factors, depth);
            else Block<One, TColumns>(a, aStride, b, bStride, output, outputStride, factors, depth);
            numRows -= rows;
            a += rows * aStride;
            output += rows * outputStride;
            if (factors != null) factors += rows;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block<TRows, TColumns>(
        float* a, nint aStride, byte* b, nint bStride, float* output, nint outputStride, float* factors, int depth)
        where TRows : struct, IConstant
        where TColumns : struct, IConstant
    {
        TVector c00 = TSimd.Zero, c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
        TVector c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
        if (factors != null)
        {
            Begin<TColumns>(output, factors[0], ref c00, ref c01);
            if (TRows.Value > 1) Begin<TColumns>(output + outputStride, factors[1], ref c10, ref c11);
            if (TRows.Value > 2) Begin<TColumns>(output + (2 * outputStride), factors[2], ref c20, ref c21);
            if (TRows.Value > 3) Begin<TColumns>(output + (3 * outputStride), factors[3], ref c30, ref c31);
            if (TRows.Value > 4) Begin<TColumns>(output + (4 * outputStride), factors[4], ref c40, ref c41);
            if (TRows.Value > 5) Begin<TColumns>(output + (5 * outputStride), factors[5], ref c50, ref c51);
        }
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, a4 = a3 + aStride, a5 = a4 + aStride;
        nint bStep = bStride * TElement.Bytes;
        for (nint k = 0; k < depth; k++, b += bStep)
        {
            TVector b0 = TElement.Load(b), b1 = b0;
            if (TColumns.Value > 1) b1 = TElement.Load(b + (TSimd.Width * TElement.Bytes));
            Step<TColumns>(a[k], b0, b1, ref c00, ref c01);
            if (TRows.Value > 1) Step<TColumns>(a1[k], b0, b1, ref c10, ref c11);
            if (TRows.Value > 2) Step<TColumns>(a2[k], b0, b1, ref c20, ref c21);
            if (TRows.Value > 3) Step<TColumns>(a3[k], b0, b1, ref c30, ref c31);
            if (TRows.Value > 4) Step<TColumns>(a4[k], b0, b1, ref c40, ref c41);
            if (TRows.Value > 5) Step<TColumns>(a5[k], b0, b1, ref c50, ref c51);
        }
        End<TColumns>(output, c00, c01);
        if (TRows.Value > 1) End<TColumns>(output + outputStride, c10, c11);
        if (TRows.Value > 2) End<TColumns>(output + (2 * outputStride), c20, c21);
        if (TRows.Value > 3) End<TColumns>(output + (3 * outputStride), c30, c31);
        if (TRows.Value > 4) End<TColumns>(output + (4 * outputStride), c40, c41);
        if (TRows.Value > 5) End<TColumns>(output + (5 * outputStride), c50, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin<TColumns>(float* output, float factor, ref TVector c0, ref TVector c1)
        where TColumns : struct, IConstant
    {
        TVector f = TSimd.Broadcast(factor);
        c0 = TSimd.Multiply(TSimd.Load(output), f);
        if (TColumns.Value > 1) c1 = TSimd.Multiply(TSimd.Load(output + TSimd.Width), f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TColumns>(float a, TVector b0, TVector b1, ref TVector c0, ref TVector c1)
        where TColumns : struct, IConstant
    {
        TVector x = TSimd.Broadcast(a);
        c0 = TSimd.Fma(b0, x, c0);
        if (TColumns.Value > 1) c1 = TSimd.Fma(b1, x, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void End<TColumns>(float* output, TVector c0, TVector c1)
        where TColumns : struct, IConstant
    {
        TSimd.Store(output, c0);
        if (TColumns.Value > 1) TSimd.Store(output + TSimd.Width, c1);
    }
}
