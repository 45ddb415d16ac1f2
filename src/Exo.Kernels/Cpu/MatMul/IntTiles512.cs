using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Up to 6 tokens times two integer panels, 512 bits wide; for each block in ascending order
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
            for (nint i = 0; i < rowBytes; i += 4)
            {
                Vector512<short> w0 = Vector512.Load((short*)(weights + (16 * i))), w1 = Vector512.Load((short*)(weights + weightStep + (16 * i)));
                Step<TTile>(x + i, w0, w1, ref a0, ref a1);
                if (TRows.Count > 1) Step<TTile>(x + i + rowBytes, w0, w1, ref b0, ref b1);
                if (TRows.Count > 2) Step<TTile>(x + i + (2 * rowBytes), w0, w1, ref c0, ref c1);
                if (TRows.Count > 3) Step<TTile>(x + i + (3 * rowBytes), w0, w1, ref d0, ref d1);
                if (TRows.Count > 4) Step<TTile>(x + i + (4 * rowBytes), w0, w1, ref e0, ref e1);
                if (TRows.Count > 5) Step<TTile>(x + i + (5 * rowBytes), w0, w1, ref f0, ref f1);
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
        Vector512<float> sum0 = Vector512.FusedMultiplyAdd(xScale * Vector512.Load(headers), Vector512.ConvertToSingle(dot0), Vector512.Load(sums));
        Vector512<float> sum1 = Vector512.FusedMultiplyAdd(xScale * Vector512.Load(headers + tile->HeaderStep), Vector512.ConvertToSingle(dot1), Vector512.Load(sums + tile->SumsStep));
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
