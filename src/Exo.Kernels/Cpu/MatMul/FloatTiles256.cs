using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Several tokens times a float panel, 256 bits wide: sums[token][output] = fma(x[k][token], w[k, output], sums) for ascending
/// k. x: [columns][tokens of the tile], sums: [tokens][16]. The sums live in registers: up to 6 tokens by 16 outputs.
/// With load = 0 they begin at zero, otherwise where the columns before left them (float32 in memory is the same bits).
/// </summary>
internal static unsafe class FloatTiles256
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TPanel, TRows>(float* x, byte* panel, nint panelStep, nint columns, float* sums, nint sumsStep, int load)
        where TPanel : struct, IFloatPanel
        where TRows : struct, ITileRows
    {
        Vector256<float> a0 = default, a1 = default;
        Vector256<float> b0 = default, b1 = default;
        Vector256<float> c0 = default, c1 = default;
        Vector256<float> d0 = default, d1 = default;
        Vector256<float> e0 = default, e1 = default;
        Vector256<float> f0 = default, f1 = default;
        if (load != 0)
        {
            Load(sums, ref a0, ref a1);
            if (TRows.Count > 1) Load(sums + 16, ref b0, ref b1);
            if (TRows.Count > 2) Load(sums + 32, ref c0, ref c1);
            if (TRows.Count > 3) Load(sums + 48, ref d0, ref d1);
            if (TRows.Count > 4) Load(sums + 64, ref e0, ref e1);
            if (TRows.Count > 5) Load(sums + 80, ref f0, ref f1);
        }
        for (nint k = 0; k < columns; k++, panel += TPanel.ColumnBytes, x += TRows.Count)
        {
            TPanel.Load(panel, out Vector256<float> w0, out Vector256<float> w1);
            Step(x[0], w0, w1, ref a0, ref a1);
            if (TRows.Count > 1) Step(x[1], w0, w1, ref b0, ref b1);
            if (TRows.Count > 2) Step(x[2], w0, w1, ref c0, ref c1);
            if (TRows.Count > 3) Step(x[3], w0, w1, ref d0, ref d1);
            if (TRows.Count > 4) Step(x[4], w0, w1, ref e0, ref e1);
            if (TRows.Count > 5) Step(x[5], w0, w1, ref f0, ref f1);
        }
        Store(sums, a0, a1);
        if (TRows.Count > 1) Store(sums + 16, b0, b1);
        if (TRows.Count > 2) Store(sums + 32, c0, c1);
        if (TRows.Count > 3) Store(sums + 48, d0, d1);
        if (TRows.Count > 4) Store(sums + 64, e0, e1);
        if (TRows.Count > 5) Store(sums + 80, f0, f1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* sums, ref Vector256<float> s0, ref Vector256<float> s1)
    {
        s0 = Vector256.Load(sums);
        s1 = Vector256.Load(sums + 8);
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
    private static void Store(float* sums, Vector256<float> s0, Vector256<float> s1)
    {
        s0.Store(sums);
        s1.Store(sums + 8);
    }
}
