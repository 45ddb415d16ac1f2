using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Several tokens times a float panel, 128 bits wide: sums[token][output] = fma(x[k][token], w[k, output], sums) for ascending
/// k. x: [columns][tokens of the tile], sums: [tokens][16]. The sums live in registers: up to 4 tokens by 16 outputs.
/// With load = 0 they begin at zero, otherwise where the columns before left them (float32 in memory is the same bits).
/// </summary>
internal static unsafe class FloatTiles128
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TPanel, TRows>(float* x, byte* panel, nint panelStep, nint columns, float* sums, nint sumsStep, int load)
        where TPanel : struct, IFloatPanel
        where TRows : struct, ITileRows
    {
        Vector128<float> a0 = default, a1 = default, a2 = default, a3 = default;
        Vector128<float> b0 = default, b1 = default, b2 = default, b3 = default;
        Vector128<float> c0 = default, c1 = default, c2 = default, c3 = default;
        Vector128<float> d0 = default, d1 = default, d2 = default, d3 = default;
        if (load != 0)
        {
            Load(sums, ref a0, ref a1, ref a2, ref a3);
            if (TRows.Count > 1) Load(sums + 16, ref b0, ref b1, ref b2, ref b3);
            if (TRows.Count > 2) Load(sums + 32, ref c0, ref c1, ref c2, ref c3);
            if (TRows.Count > 3) Load(sums + 48, ref d0, ref d1, ref d2, ref d3);
        }
        for (nint k = 0; k < columns; k++, panel += TPanel.ColumnBytes, x += TRows.Count)
        {
            TPanel.Load(panel, out Vector128<float> w0, out Vector128<float> w1, out Vector128<float> w2, out Vector128<float> w3);
            Step(x[0], w0, w1, w2, w3, ref a0, ref a1, ref a2, ref a3);
            if (TRows.Count > 1) Step(x[1], w0, w1, w2, w3, ref b0, ref b1, ref b2, ref b3);
            if (TRows.Count > 2) Step(x[2], w0, w1, w2, w3, ref c0, ref c1, ref c2, ref c3);
            if (TRows.Count > 3) Step(x[3], w0, w1, w2, w3, ref d0, ref d1, ref d2, ref d3);
        }
        Store(sums, a0, a1, a2, a3);
        if (TRows.Count > 1) Store(sums + 16, b0, b1, b2, b3);
        if (TRows.Count > 2) Store(sums + 32, c0, c1, c2, c3);
        if (TRows.Count > 3) Store(sums + 48, d0, d1, d2, d3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* sums, ref Vector128<float> s0, ref Vector128<float> s1, ref Vector128<float> s2,
        ref Vector128<float> s3)
    {
        s0 = Vector128.Load(sums);
        s1 = Vector128.Load(sums + 4);
        s2 = Vector128.Load(sums + 8);
        s3 = Vector128.Load(sums + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(
        float x, Vector128<float> w0, Vector128<float> w1, Vector128<float> w2, Vector128<float> w3, ref Vector128<float> s0,
            ref Vector128<float> s1, ref Vector128<float> s2, ref Vector128<float> s3)
    {
        Vector128<float> xk = Vector128.Create(x);
        s0 = Vector128.FusedMultiplyAdd(xk, w0, s0);
        s1 = Vector128.FusedMultiplyAdd(xk, w1, s1);
        s2 = Vector128.FusedMultiplyAdd(xk, w2, s2);
        s3 = Vector128.FusedMultiplyAdd(xk, w3, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* sums, Vector128<float> s0, Vector128<float> s1, Vector128<float> s2, Vector128<float> s3)
    {
        s0.Store(sums);
        s1.Store(sums + 4);
        s2.Store(sums + 8);
        s3.Store(sums + 12);
    }
}
