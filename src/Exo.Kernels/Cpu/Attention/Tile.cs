using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels.Cpu;

/// <summary>
/// A product of a small matrix and parts of cached keys or values: for section 0, 1, ... out[i, j] = out[i, j] * factor[s, i], then one fma
/// after another, k ascending: acc = fma(b[s][k, j], a[s, i, k], acc). Without factors there is one section and out begins with zeros.
/// As many rows and columns at once as there are registers. Both products of attention are this: scores (a = queries, b = keys [width][16]), and
/// sums of values (a section for each block: a = probabilities [16], b = values [16][width]).
/// </summary>
internal unsafe struct TileJob
{
    /// <summary>a of section 0: [numRows, depth].</summary>
    public float* A;

    /// <summary>Floats between two rows of a.</summary>
    public nint AStride;

    /// <summary>Floats between two sections of a.</summary>
    public nint ASection;

    /// <summary>b of each section: [depth, numColumns].</summary>
    public byte** B;

    /// <summary>For each section the distance in bytes from what is read to what is fetched for the next step; 0 for nothing.</summary>
    public nint* Ahead;

    /// <summary>Elements between two rows of b.</summary>
    public nint BStride;

    /// <summary>[numSections, numRows], or null.</summary>
    public float* Factors;

    /// <summary>Floats between the factors of two sections.</summary>
    public nint FactorSection;

    /// <summary>Sections.</summary>
    public int NumSections;

    /// <summary>Steps of a section.</summary>
    public int Depth;

    /// <summary>[numRows, numColumns].</summary>
    public float* Output;

    /// <summary>Floats between two rows of the output.</summary>
    public nint OutputStride;
}

/// <summary>See <see cref="TileJob"/>.</summary>
internal static unsafe class Tile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
    where TElement : struct, IElement<TSimd, TVector>
{
    /// <summary>All rows and columns; numColumns is a multiple of the vector width.</summary>
    public static void Multiply(in TileJob job, int numRows, int numColumns)
    {
        int column = 0;
        for (; column <= numColumns - (2 * TSimd.Width); column += 2 * TSimd.Width) Rows<Two>(job, column, numRows);
        if (column < numColumns) Rows<One>(job, column, numRows);
    }

    private static void Rows<TColumns>(in TileJob job, int column, int numRows)
        where TColumns : struct, IConstant
    {
        for (int row = 0, rows; row < numRows; row += rows)
        {
            int left = numRows - row;
            rows = left >= 6 && left != 8 ? 6 : left >= 4 && left != 5 ? 4 : Math.Min(left, 3);
            if (rows == 6) Block<Six, TColumns>(job, row, column);
            else if (rows == 4) Block<Four, TColumns>(job, row, column);
            else if (rows == 3) Block<Three, TColumns>(job, row, column);
            else if (rows == 2) Block<Two, TColumns>(job, row, column);
            else Block<One, TColumns>(job, row, column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block<TRows, TColumns>(in TileJob job, int row, int column)
        where TRows : struct, IConstant
        where TColumns : struct, IConstant
    {
        TVector c00 = TSimd.Zero, c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
        TVector c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
        nint stride = job.OutputStride, aStride = job.AStride, bStep = job.BStride * TElement.Bytes;
        float* output = job.Output + (row * stride) + column, factors = job.Factors;
        if (factors != null)
        {
            factors += row;
            Begin<TColumns>(output, ref c00, ref c01);
            if (TRows.Value > 1) Begin<TColumns>(output + stride, ref c10, ref c11);
            if (TRows.Value > 2) Begin<TColumns>(output + (2 * stride), ref c20, ref c21);
            if (TRows.Value > 3) Begin<TColumns>(output + (3 * stride), ref c30, ref c31);
            if (TRows.Value > 4) Begin<TColumns>(output + (4 * stride), ref c40, ref c41);
            if (TRows.Value > 5) Begin<TColumns>(output + (5 * stride), ref c50, ref c51);
        }
        for (int section = 0; section < job.NumSections; section++)
        {
            if (factors != null)
            {
                Scale<TColumns>(factors[0], ref c00, ref c01);
                if (TRows.Value > 1) Scale<TColumns>(factors[1], ref c10, ref c11);
                if (TRows.Value > 2) Scale<TColumns>(factors[2], ref c20, ref c21);
                if (TRows.Value > 3) Scale<TColumns>(factors[3], ref c30, ref c31);
                if (TRows.Value > 4) Scale<TColumns>(factors[4], ref c40, ref c41);
                if (TRows.Value > 5) Scale<TColumns>(factors[5], ref c50, ref c51);
                factors += job.FactorSection;
            }
            byte* b = job.B[section] + ((nint)column * TElement.Bytes);
            float* a = job.A + (section * job.ASection) + (row * aStride);
            float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, a4 = a3 + aStride, a5 = a4 + aStride;
            nint depth = job.Depth, ahead = job.Ahead[section];
            for (nint k = 0; k < depth; k++, b += bStep)
            {
                // A head's part of a page is shorter than the hardware's prefetchers need to follow it, and pages lie anywhere.
                if (Sse.IsSupported) Sse.Prefetch0(b + ahead);
                TVector b0 = TElement.Load(b), b1 = b0;
                if (TColumns.Value > 1) b1 = TElement.Load(b + (TSimd.Width * TElement.Bytes));
                Step<TColumns>(a[k], b0, b1, ref c00, ref c01);
                if (TRows.Value > 1) Step<TColumns>(a1[k], b0, b1, ref c10, ref c11);
                if (TRows.Value > 2) Step<TColumns>(a2[k], b0, b1, ref c20, ref c21);
                if (TRows.Value > 3) Step<TColumns>(a3[k], b0, b1, ref c30, ref c31);
                if (TRows.Value > 4) Step<TColumns>(a4[k], b0, b1, ref c40, ref c41);
                if (TRows.Value > 5) Step<TColumns>(a5[k], b0, b1, ref c50, ref c51);
            }
        }
        End<TColumns>(output, c00, c01);
        if (TRows.Value > 1) End<TColumns>(output + stride, c10, c11);
        if (TRows.Value > 2) End<TColumns>(output + (2 * stride), c20, c21);
        if (TRows.Value > 3) End<TColumns>(output + (3 * stride), c30, c31);
        if (TRows.Value > 4) End<TColumns>(output + (4 * stride), c40, c41);
        if (TRows.Value > 5) End<TColumns>(output + (5 * stride), c50, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin<TColumns>(float* output, ref TVector c0, ref TVector c1)
        where TColumns : struct, IConstant
    {
        c0 = TSimd.Load(output);
        if (TColumns.Value > 1) c1 = TSimd.Load(output + TSimd.Width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale<TColumns>(float factor, ref TVector c0, ref TVector c1)
        where TColumns : struct, IConstant
    {
        TVector f = TSimd.Broadcast(factor);
        c0 = TSimd.Multiply(c0, f);
        if (TColumns.Value > 1) c1 = TSimd.Multiply(c1, f);
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
