using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels.Cpu;

/// <summary>
/// A product as <see cref="TileJob"/> describes it, four vectors of b wide: four columns of values, or the keys of four blocks side by side. So
/// the vectors of a step come from four addresses: b of section s and vector c is B[4 s + c], [depth, 16], and likewise Ahead.
/// </summary>
internal unsafe struct WideTileJob
{
    /// <summary>Vectors of a step.</summary>
    public const int NumVectors = 4;

    /// <summary>a of section 0: [numRows, depth].</summary>
    public float* A;

    /// <summary>Floats between two rows of a.</summary>
    public nint AStride;

    /// <summary>Floats between two sections of a.</summary>
    public nint ASection;

    /// <summary>[numSections, 4].</summary>
    public byte** B;

    /// <summary>[numSections, 4]: bytes from what is read to what is fetched for the next step; 0 for nothing.</summary>
    public nint* Ahead;

    /// <summary>Bytes between two rows of b.</summary>
    public nint BStep;

    /// <summary>[numSections, numRows], or null.</summary>
    public float* Factors;

    /// <summary>Floats between the factors of two sections.</summary>
    public nint FactorSection;

    /// <summary>Sections.</summary>
    public int NumSections;

    /// <summary>Steps of a section.</summary>
    public int Depth;

    /// <summary>[numRows, 4, 16].</summary>
    public float* Output;

    /// <summary>Floats between two rows of the output.</summary>
    public nint OutputStride;

    /// <summary>Floats between the four vectors of the output.</summary>
    public nint OutputVector;
}

/// <summary>See <see cref="WideTileJob"/>: for vectors of 16 lanes and 32 registers, of which six rows take 29.</summary>
internal static unsafe class WideTile<TSimd, TVector, TElement>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
    where TElement : struct, IElement<TSimd, TVector>
{
    /// <summary>All rows.</summary>
    public static void Multiply(in WideTileJob job, int numRows)
    {
        for (int row = 0, rows; row < numRows; row += rows)
        {
            int left = numRows - row;
            rows = left >= 6 && left != 8 ? 6 : left >= 4 && left != 5 ? 4 : Math.Min(left, 3);
            if (rows == 6) Block<Six>(job, row);
            else if (rows == 4) Block<Four>(job, row);
            else if (rows == 3) Block<Three>(job, row);
            else if (rows == 2) Block<Two>(job, row);
            else Block<One>(job, row);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block<TRows>(in WideTileJob job, int row)
        where TRows : struct, IConstant
    {
        TVector c00 = TSimd.Zero, c01 = c00, c02 = c00, c03 = c00, c10 = c00, c11 = c00, c12 = c00, c13 = c00;
        TVector c20 = c00, c21 = c00, c22 = c00, c23 = c00, c30 = c00, c31 = c00, c32 = c00, c33 = c00;
        TVector c40 = c00, c41 = c00, c42 = c00, c43 = c00, c50 = c00, c51 = c00, c52 = c00, c53 = c00;
        nint stride = job.OutputStride, next = job.OutputVector, aStride = job.AStride, bStep = job.BStep;
        float* output = job.Output + (row * stride), factors = job.Factors;
        if (factors != null)
        {
            factors += row;
            Begin(output, next, ref c00, ref c01, ref c02, ref c03);
            if (TRows.Value > 1) Begin(output + stride, next, ref c10, ref c11, ref c12, ref c13);
            if (TRows.Value > 2) Begin(output + (2 * stride), next, ref c20, ref c21, ref c22, ref c23);
            if (TRows.Value > 3) Begin(output + (3 * stride), next, ref c30, ref c31, ref c32, ref c33);
            if (TRows.Value > 4) Begin(output + (4 * stride), next, ref c40, ref c41, ref c42, ref c43);
            if (TRows.Value > 5) Begin(output + (5 * stride), next, ref c50, ref c51, ref c52, ref c53);
        }
        for (int section = 0; section < job.NumSections; section++)
        {
            if (factors != null)
            {
                Scale(factors[0], ref c00, ref c01, ref c02, ref c03);
                if (TRows.Value > 1) Scale(factors[1], ref c10, ref c11, ref c12, ref c13);
                if (TRows.Value > 2) Scale(factors[2], ref c20, ref c21, ref c22, ref c23);
                if (TRows.Value > 3) Scale(factors[3], ref c30, ref c31, ref c32, ref c33);
                if (TRows.Value > 4) Scale(factors[4], ref c40, ref c41, ref c42, ref c43);
                if (TRows.Value > 5) Scale(factors[5], ref c50, ref c51, ref c52, ref c53);
                factors += job.FactorSection;
            }
            byte** b = job.B + (section * WideTileJob.NumVectors);
            nint* ahead = job.Ahead + (section * WideTileJob.NumVectors);
            byte* p0 = b[0], p1 = b[1], p2 = b[2], p3 = b[3];
            nint h0 = ahead[0], h1 = ahead[1], h2 = ahead[2], h3 = ahead[3];
            float* a = job.A + (section * job.ASection) + (row * aStride), end = a + job.Depth;
            for (; a < end; a++, p0 += bStep, p1 += bStep, p2 += bStep, p3 += bStep)
            {
                if (Sse.IsSupported)
                {
                    // Into the second level: what this step reads fills half of the first already.
                    Sse.Prefetch1(p0 + h0);
                    Sse.Prefetch1(p1 + h1);
                    Sse.Prefetch1(p2 + h2);
                    Sse.Prefetch1(p3 + h3);
                }
                TVector b0 = TElement.Load(p0), b1 = TElement.Load(p1), b2 = TElement.Load(p2), b3 = TElement.Load(p3);
                Step(a, b0, b1, b2, b3, ref c00, ref c01, ref c02, ref c03);
                if (TRows.Value > 1) Step(a + aStride, b0, b1, b2, b3, ref c10, ref c11, ref c12, ref c13);
                if (TRows.Value > 2) Step(a + (2 * aStride), b0, b1, b2, b3, ref c20, ref c21, ref c22, ref c23);
                if (TRows.Value > 3) Step(a + (3 * aStride), b0, b1, b2, b3, ref c30, ref c31, ref c32, ref c33);
                if (TRows.Value > 4) Step(a + (4 * aStride), b0, b1, b2, b3, ref c40, ref c41, ref c42, ref c43);
                if (TRows.Value > 5) Step(a + (5 * aStride), b0, b1, b2, b3, ref c50, ref c51, ref c52, ref c53);
            }
        }
        End(output, next, c00, c01, c02, c03);
        if (TRows.Value > 1) End(output + stride, next, c10, c11, c12, c13);
        if (TRows.Value > 2) End(output + (2 * stride), next, c20, c21, c22, c23);
        if (TRows.Value > 3) End(output + (3 * stride), next, c30, c31, c32, c33);
        if (TRows.Value > 4) End(output + (4 * stride), next, c40, c41, c42, c43);
        if (TRows.Value > 5) End(output + (5 * stride), next, c50, c51, c52, c53);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin(float* output, nint next, ref TVector c0, ref TVector c1, ref TVector c2, ref TVector c3)
    {
        c0 = TSimd.Load(output);
        c1 = TSimd.Load(output + next);
        c2 = TSimd.Load(output + (2 * next));
        c3 = TSimd.Load(output + (3 * next));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale(float factor, ref TVector c0, ref TVector c1, ref TVector c2, ref TVector c3)
    {
        TVector f = TSimd.Broadcast(factor);
        c0 = TSimd.Multiply(c0, f);
        c1 = TSimd.Multiply(c1, f);
        c2 = TSimd.Multiply(c2, f);
        c3 = TSimd.Multiply(c3, f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        float* a, TVector b0, TVector b1, TVector b2, TVector b3, ref TVector c0, ref TVector c1, ref TVector c2, ref TVector c3)
    {
        TVector x = TSimd.Broadcast(*a);
        c0 = TSimd.Fma(b0, x, c0);
        c1 = TSimd.Fma(b1, x, c1);
        c2 = TSimd.Fma(b2, x, c2);
        c3 = TSimd.Fma(b3, x, c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void End(float* output, nint next, TVector c0, TVector c1, TVector c2, TVector c3)
    {
        TSimd.Store(output, c0);
        TSimd.Store(output + next, c1);
        TSimd.Store(output + (2 * next), c2);
        TSimd.Store(output + (3 * next), c3);
    }
}
