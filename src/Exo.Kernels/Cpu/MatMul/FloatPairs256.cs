using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// What <see cref="FloatTiles256"/> does, for two panels and up to 3 tokens: with one panel so few sums would wait for each other.
/// </summary>
internal static unsafe class FloatPairs256
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TPanel, TRows>(float* x, byte* panel, nint panelStep, nint columns, float* sums, nint sumsStep, int load)
        where TPanel : struct, IFloatPanel
        where TRows : struct, ITileRows
    {
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
        float* other = sums + sumsStep;
        if (load != 0)
        {
            Load(sums, other, ref a0, ref a1, ref a2, ref a3);
            if (TRows.Count > 1) Load(sums + 16, other + 16, ref b0, ref b1, ref b2, ref b3);
            if (TRows.Count > 2) Load(sums + 32, other + 32, ref c0, ref c1, ref c2, ref c3);
        }
        for (nint k = 0; k < columns; k++, panel += TPanel.ColumnBytes, x += TRows.Count)
        {
            TPanel.Load(panel, out Vector256<float> w0, out Vector256<float> w1);
            Step(x[0], w0, w1, ref a0, ref a1);
            if (TRows.Count > 1) Step(x[1], w0, w1, ref b0, ref b1);
            if (TRows.Count > 2) Step(x[2], w0, w1, ref c0, ref c1);
            TPanel.Load(panel + panelStep, out w0, out w1);
            Step(x[0], w0, w1, ref a2, ref a3);
            if (TRows.Count > 1) Step(x[1], w0, w1, ref b2, ref b3);
            if (TRows.Count > 2) Step(x[2], w0, w1, ref c2, ref c3);
        }
        Store(sums, other, a0, a1, a2, a3);
        if (TRows.Count > 1) Store(sums + 16, other + 16, b0, b1, b2, b3);
        if (TRows.Count > 2) Store(sums + 32, other + 32, c0, c1, c2, c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(
        float* sums, float* other, ref Vector256<float> s0, ref Vector256<float> s1, ref Vector256<float> s2, ref Vector256<float> s3)
    {
        s0 = Vector256.Load(sums);
        s1 = Vector256.Load(sums + 8);
        s2 = Vector256.Load(other);
        s3 = Vector256.Load(other + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        float x, Vector256<float> w0, Vector256<float> w1, ref Vector256<float> s0, ref Vector256<float> s1)
    {
        Vector256<float> xk = Vector256.Create(x);
        s0 = Vector256.FusedMultiplyAdd(xk, w0, s0);
        s1 = Vector256.FusedMultiplyAdd(xk, w1, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        float* sums, float* other, Vector256<float> s0, Vector256<float> s1, Vector256<float> s2, Vector256<float> s3)
    {
        s0.Store(sums);
        s1.Store(sums + 8);
        s2.Store(other);
        s3.Store(other + 8);
    }
}
