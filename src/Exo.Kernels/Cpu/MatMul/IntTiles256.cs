using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Up to 6 tokens times an integer panel, 256 bits wide; for each block in ascending order
/// sum = fma(sx * sw, dot, sum), then, with biases, sum = fma(sx * bw', sum of q, sum). The dot products of a block stay in registers, the
/// float sums in the first-level cache.
/// </summary>
internal static unsafe class IntTiles256
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
            Vector256<short> a0 = default, a1 = default;
            Vector256<short> b0 = default, b1 = default;
            Vector256<short> c0 = default, c1 = default;
            Vector256<short> d0 = default, d1 = default;
            Vector256<short> e0 = default, e1 = default;
            Vector256<short> f0 = default, f1 = default;
            for (nint at = 0; at < rowBytes; at += 4)
            {
                Vector256<short> w0 = Vector256.Load((short*)(weights + (16 * at))),
                    w1 = Vector256.Load((short*)(weights + 32 + (16 * at)));
                Step<TTile>(x + at, w0, w1, ref a0, ref a1);
                if (TRows.Count > 1) Step<TTile>(x + at + rowBytes, w0, w1, ref b0, ref b1);
                if (TRows.Count > 2) Step<TTile>(x + at + (2 * rowBytes), w0, w1, ref c0, ref c1);
                if (TRows.Count > 3) Step<TTile>(x + at + (3 * rowBytes), w0, w1, ref d0, ref d1);
                if (TRows.Count > 4) Step<TTile>(x + at + (4 * rowBytes), w0, w1, ref e0, ref e1);
                if (TRows.Count > 5) Step<TTile>(x + at + (5 * rowBytes), w0, w1, ref f0, ref f1);
            }
            Finish<TTile>(tile, block, 0, TRows.Count, a0, a1);
            if (TRows.Count > 1) Finish<TTile>(tile, block, 1, TRows.Count, b0, b1);
            if (TRows.Count > 2) Finish<TTile>(tile, block, 2, TRows.Count, c0, c1);
            if (TRows.Count > 3) Finish<TTile>(tile, block, 3, TRows.Count, d0, d1);
            if (TRows.Count > 4) Finish<TTile>(tile, block, 4, TRows.Count, e0, e1);
            if (TRows.Count > 5) Finish<TTile>(tile, block, 5, TRows.Count, f0, f1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TTile>(byte* x, Vector256<short> w0, Vector256<short> w1, ref Vector256<short> s0, ref Vector256<short> s1)
        where TTile : struct, IIntTile
    {
        Vector256<int> xs = Vector256.Create(*(int*)x);
        s0 = TTile.Add(s0, w0, xs);
        s1 = TTile.Add(s1, w1, xs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TTile>(IntTile* tile, nint block, int row, int rows, Vector256<short> s0, Vector256<short> s1)
        where TTile : struct, IIntTile
    {
        float* headers = tile->Headers + (block * IntTile.HeaderFloats), sums = tile->Sums + (row * PackedWeight.PanelRows);
        nint index = (block * rows) + row;
        Vector256<float> xScale = Vector256.Create(tile->XScales[index]);
        Vector256<int> dot0 = TTile.Total(s0), dot1 = TTile.Total(s1);
        if (TTile.Offset != 0)
        {
            Vector256<int> offset = Vector256.Create(TTile.Offset * tile->XSums[index]);
            dot0 -= offset;
            dot1 -= offset;
        }
        Vector256<float> sum0 = Vector256.FusedMultiplyAdd(xScale * Vector256.Load(headers), Vector256.ConvertToSingle(dot0),
            Vector256.Load(sums));
        Vector256<float> sum1 = Vector256.FusedMultiplyAdd(xScale * Vector256.Load(headers + 8), Vector256.ConvertToSingle(dot1),
            Vector256.Load(sums + 8));
        if (tile->HasBiases != 0)
        {
            Vector256<float> sumOfX = Vector256.Create((float)tile->XSums[index]);
            sum0 = Vector256.FusedMultiplyAdd(xScale * Vector256.Load(headers + 16), sumOfX, sum0);
            sum1 = Vector256.FusedMultiplyAdd(xScale * Vector256.Load(headers + 8 + 16), sumOfX, sum1);
        }
        sum0.Store(sums);
        sum1.Store(sums + 8);
    }
}
