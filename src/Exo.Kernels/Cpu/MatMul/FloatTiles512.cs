using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Several tokens times two float panels, 512 bits wide: sums[token][output] = fma(x[k][token], w[k, output], sums) for ascending
/// k. x: [columns][tokens of the tile], sums: [tokens][16]. The sums live in registers: up to 12 tokens by 32 outputs.
/// With load = 0 they begin at zero, otherwise where the columns before left them (float32 in memory is the same bits).
/// </summary>
internal static unsafe class FloatTiles512
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TPanel, TRows>(float* x, byte* panel, nint panelStep, nint columns, float* sums, nint sumsStep, int load)
        where TPanel : struct, IFloatPanel
        where TRows : struct, ITileRows
    {
        Vector512<float> a0 = default, a1 = default;
        Vector512<float> b0 = default, b1 = default;
        Vector512<float> c0 = default, c1 = default;
        Vector512<float> d0 = default, d1 = default;
        Vector512<float> e0 = default, e1 = default;
        Vector512<float> f0 = default, f1 = default;
        Vector512<float> g0 = default, g1 = default;
        Vector512<float> h0 = default, h1 = default;
        Vector512<float> i0 = default, i1 = default;
        Vector512<float> j0 = default, j1 = default;
        Vector512<float> k0 = default, k1 = default;
        Vector512<float> l0 = default, l1 = default;
        if (load != 0)
        {
            Load(sums, sumsStep, ref a0, ref a1);
            if (TRows.Count > 1) Load(sums + 16, sumsStep, ref b0, ref b1);
            if (TRows.Count > 2) Load(sums + 32, sumsStep, ref c0, ref c1);
            if (TRows.Count > 3) Load(sums + 48, sumsStep, ref d0, ref d1);
            if (TRows.Count > 4) Load(sums + 64, sumsStep, ref e0, ref e1);
            if (TRows.Count > 5) Load(sums + 80, sumsStep, ref f0, ref f1);
            if (TRows.Count > 6) Load(sums + 96, sumsStep, ref g0, ref g1);
            if (TRows.Count > 7) Load(sums + 112, sumsStep, ref h0, ref h1);
            if (TRows.Count > 8) Load(sums + 128, sumsStep, ref i0, ref i1);
            if (TRows.Count > 9) Load(sums + 144, sumsStep, ref j0, ref j1);
            if (TRows.Count > 10) Load(sums + 160, sumsStep, ref k0, ref k1);
            if (TRows.Count > 11) Load(sums + 176, sumsStep, ref l0, ref l1);
        }
        for (nint k = 0; k < columns; k++, panel += TPanel.ColumnBytes, x += TRows.Count)
        {
            Vector512<float> w0 = TPanel.Load(panel), w1 = TPanel.Load(panel + panelStep);
            Step(x[0], w0, w1, ref a0, ref a1);
            if (TRows.Count > 1) Step(x[1], w0, w1, ref b0, ref b1);
            if (TRows.Count > 2) Step(x[2], w0, w1, ref c0, ref c1);
            if (TRows.Count > 3) Step(x[3], w0, w1, ref d0, ref d1);
            if (TRows.Count > 4) Step(x[4], w0, w1, ref e0, ref e1);
            if (TRows.Count > 5) Step(x[5], w0, w1, ref f0, ref f1);
            if (TRows.Count > 6) Step(x[6], w0, w1, ref g0, ref g1);
            if (TRows.Count > 7) Step(x[7], w0, w1, ref h0, ref h1);
            if (TRows.Count > 8) Step(x[8], w0, w1, ref i0, ref i1);
            if (TRows.Count > 9) Step(x[9], w0, w1, ref j0, ref j1);
            if (TRows.Count > 10) Step(x[10], w0, w1, ref k0, ref k1);
            if (TRows.Count > 11) Step(x[11], w0, w1, ref l0, ref l1);
        }
        Store(sums, sumsStep, a0, a1);
        if (TRows.Count > 1) Store(sums + 16, sumsStep, b0, b1);
        if (TRows.Count > 2) Store(sums + 32, sumsStep, c0, c1);
        if (TRows.Count > 3) Store(sums + 48, sumsStep, d0, d1);
        if (TRows.Count > 4) Store(sums + 64, sumsStep, e0, e1);
        if (TRows.Count > 5) Store(sums + 80, sumsStep, f0, f1);
        if (TRows.Count > 6) Store(sums + 96, sumsStep, g0, g1);
        if (TRows.Count > 7) Store(sums + 112, sumsStep, h0, h1);
        if (TRows.Count > 8) Store(sums + 128, sumsStep, i0, i1);
        if (TRows.Count > 9) Store(sums + 144, sumsStep, j0, j1);
        if (TRows.Count > 10) Store(sums + 160, sumsStep, k0, k1);
        if (TRows.Count > 11) Store(sums + 176, sumsStep, l0, l1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* sums, nint sumsStep, ref Vector512<float> s0, ref Vector512<float> s1)
    {
        s0 = Vector512.Load(sums);
        s1 = Vector512.Load(sums + sumsStep);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        float x, Vector512<float> w0, Vector512<float> w1, ref Vector512<float> s0, ref Vector512<float> s1)
    {
        Vector512<float> xk = Vector512.Create(x);
        s0 = Vector512.FusedMultiplyAdd(xk, w0, s0);
        s1 = Vector512.FusedMultiplyAdd(xk, w1, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* sums, nint sumsStep, Vector512<float> s0, Vector512<float> s1)
    {
        s0.Store(sums);
        s1.Store(sums + sumsStep);
    }
}
