using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Up to 12 tokens times two integer panels, 512 bits wide; for each block in ascending order
/// sum = fma(sx * sw, dot, sum), then, with biases, sum = fma(sx * bw', sum of q, sum). The dot products of a block stay in registers, the
/// float sums in the first-level cache.
/// </summary>
internal static unsafe class IntTiles512
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TTile, TRows>(IntTile* tile)
        where TTile : struct, IIntTile
        where TRows : struct, ITileRows
    {
        byte* weights = tile->Weights, x = tile->X;
        nint weightStep = tile->WeightStep, rowBytes = 4 * TTile.Steps;
        for (int block = 0; block < tile->NumBlocks; block++, weights += 64 * TTile.Steps, x += rowBytes * TRows.Count)
        {
            Vector512<short> a0 = default, a1 = default;
            Vector512<short> b0 = default, b1 = default;
            Vector512<short> c0 = default, c1 = default;
            Vector512<short> d0 = default, d1 = default;
            Vector512<short> e0 = default, e1 = default;
            Vector512<short> f0 = default, f1 = default;
            Vector512<short> g0 = default, g1 = default;
            Vector512<short> h0 = default, h1 = default;
            Vector512<short> i0 = default, i1 = default;
            Vector512<short> j0 = default, j1 = default;
            Vector512<short> k0 = default, k1 = default;
            Vector512<short> l0 = default, l1 = default;
            for (nint at = 0; at < rowBytes; at += 4)
            {
                Vector512<short> w0 = Vector512.Load((short*)(weights + (16 * at))),
                    w1 = Vector512.Load((short*)(weights + weightStep + (16 * at)));
                Step<TTile>(x + at, w0, w1, ref a0, ref a1);
                if (TRows.Count > 1) Step<TTile>(x + at + rowBytes, w0, w1, ref b0, ref b1);
                if (TRows.Count > 2) Step<TTile>(x + at + (2 * rowBytes), w0, w1, ref c0, ref c1);
                if (TRows.Count > 3) Step<TTile>(x + at + (3 * rowBytes), w0, w1, ref d0, ref d1);
                if (TRows.Count > 4) Step<TTile>(x + at + (4 * rowBytes), w0, w1, ref e0, ref e1);
                if (TRows.Count > 5) Step<TTile>(x + at + (5 * rowBytes), w0, w1, ref f0, ref f1);
                if (TRows.Count > 6) Step<TTile>(x + at + (6 * rowBytes), w0, w1, ref g0, ref g1);
                if (TRows.Count > 7) Step<TTile>(x + at + (7 * rowBytes), w0, w1, ref h0, ref h1);
                if (TRows.Count > 8) Step<TTile>(x + at + (8 * rowBytes), w0, w1, ref i0, ref i1);
                if (TRows.Count > 9) Step<TTile>(x + at + (9 * rowBytes), w0, w1, ref j0, ref j1);
                if (TRows.Count > 10) Step<TTile>(x + at + (10 * rowBytes), w0, w1, ref k0, ref k1);
                if (TRows.Count > 11) Step<TTile>(x + at + (11 * rowBytes), w0, w1, ref l0, ref l1);
            }
            Finish<TTile>(tile, block, 0, TRows.Count, a0, a1);
            if (TRows.Count > 1) Finish<TTile>(tile, block, 1, TRows.Count, b0, b1);
            if (TRows.Count > 2) Finish<TTile>(tile, block, 2, TRows.Count, c0, c1);
            if (TRows.Count > 3) Finish<TTile>(tile, block, 3, TRows.Count, d0, d1);
            if (TRows.Count > 4) Finish<TTile>(tile, block, 4, TRows.Count, e0, e1);
            if (TRows.Count > 5) Finish<TTile>(tile, block, 5, TRows.Count, f0, f1);
            if (TRows.Count > 6) Finish<TTile>(tile, block, 6, TRows.Count, g0, g1);
            if (TRows.Count > 7) Finish<TTile>(tile, block, 7, TRows.Count, h0, h1);
            if (TRows.Count > 8) Finish<TTile>(tile, block, 8, TRows.Count, i0, i1);
            if (TRows.Count > 9) Finish<TTile>(tile, block, 9, TRows.Count, j0, j1);
            if (TRows.Count > 10) Finish<TTile>(tile, block, 10, TRows.Count, k0, k1);
            if (TRows.Count > 11) Finish<TTile>(tile, block, 11, TRows.Count, l0, l1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TTile>(byte* x, Vector512<short> w0, Vector512<short> w1, ref Vector512<short> s0, ref Vector512<short> s1)
        where TTile : struct, IIntTile
    {
        Vector512<int> xs = Vector512.Create(*(int*)x);
        s0 = TTile.Add(s0, w0, xs);
        s1 = TTile.Add(s1, w1, xs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TTile>(IntTile* tile, nint block, int row, int rows, Vector512<short> s0, Vector512<short> s1)
        where TTile : struct, IIntTile
    {
        float* headers = tile->Headers + (block * IntTile.HeaderFloats), sums = tile->Sums + (row * PackedWeight.PanelRows);
        nint index = (block * rows) + row;
        Vector512<float> xScale = Vector512.Create(tile->XScales[index]);
        Vector512<int> dot0 = TTile.Total(s0), dot1 = TTile.Total(s1);
        if (TTile.Offset != 0)
        {
            Vector512<int> offset = Vector512.Create(TTile.Offset * tile->XSums[index]);
            dot0 -= offset;
            dot1 -= offset;
        }
        Vector512<float> sum0 = Vector512.FusedMultiplyAdd(xScale * Vector512.Load(headers), Vector512.ConvertToSingle(dot0),
            Vector512.Load(sums));
        Vector512<float> sum1 = Vector512.FusedMultiplyAdd(xScale * Vector512.Load(headers + tile->HeaderStep),
            Vector512.ConvertToSingle(dot1), Vector512.Load(sums + tile->SumsStep));
        if (tile->HasBiases != 0)
        {
            Vector512<float> sumOfX = Vector512.Create((float)tile->XSums[index]);
            sum0 = Vector512.FusedMultiplyAdd(xScale * Vector512.Load(headers + 16), sumOfX, sum0);
            sum1 = Vector512.FusedMultiplyAdd(xScale * Vector512.Load(headers + tile->HeaderStep + 16), sumOfX, sum1);
        }
        sum0.Store(sums);
        sum1.Store(sums + tile->SumsStep);
    }
}
