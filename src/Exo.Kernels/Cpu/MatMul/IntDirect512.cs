using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// The same as <see cref="IntTiles512"/> for up to 8 tokens, straight from the packed panel: with so few, unpacking in registers costs less than
/// unpacking to memory, and reading goes on while multiplying does.
/// </summary>
internal static unsafe class IntDirect512
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TTile, TRows>(IntTile* tile)
        where TTile : struct, IIntTile
        where TRows : struct, ITileRows
    {
        byte* x = tile->X;
        nint panelStep = tile->WeightStep, rowBytes = 4 * TTile.Steps, half = 2 * TTile.Steps;
        int* offsets = tile->Part->Blocks + (2 * (nint)tile->FirstBlock);
        for (nint block = 0; block < tile->NumBlocks; block++, x += rowBytes * TRows.Count)
        {
            byte* header = tile->Weights + offsets[2 * block], quants = tile->Weights + offsets[(2 * block) + 1];
            Vector512<short> a0 = default, a1 = default;
            Vector512<short> b0 = default, b1 = default;
            Vector512<short> c0 = default, c1 = default;
            Vector512<short> d0 = default, d1 = default;
            Vector512<short> e0 = default, e1 = default;
            Vector512<short> f0 = default, f1 = default;
            Vector512<short> g0 = default, g1 = default;
            Vector512<short> h0 = default, h1 = default;
            for (nint at = 0; at < half; at += 4)
            {
                TTile.Split(Vector512.Load((short*)(quants + (16 * at))), out Vector512<short> v0, out Vector512<short> w0);
                TTile.Split(Vector512.Load((short*)(quants + panelStep + (16 * at))), out Vector512<short> v1, out Vector512<short> w1);
                Step<TTile>(x + at, half, v0, v1, w0, w1, ref a0, ref a1);
                if (TRows.Count > 1) Step<TTile>(x + at + rowBytes, half, v0, v1, w0, w1, ref b0, ref b1);
                if (TRows.Count > 2) Step<TTile>(x + at + (2 * rowBytes), half, v0, v1, w0, w1, ref c0, ref c1);
                if (TRows.Count > 3) Step<TTile>(x + at + (3 * rowBytes), half, v0, v1, w0, w1, ref d0, ref d1);
                if (TRows.Count > 4) Step<TTile>(x + at + (4 * rowBytes), half, v0, v1, w0, w1, ref e0, ref e1);
                if (TRows.Count > 5) Step<TTile>(x + at + (5 * rowBytes), half, v0, v1, w0, w1, ref f0, ref f1);
                if (TRows.Count > 6) Step<TTile>(x + at + (6 * rowBytes), half, v0, v1, w0, w1, ref g0, ref g1);
                if (TRows.Count > 7) Step<TTile>(x + at + (7 * rowBytes), half, v0, v1, w0, w1, ref h0, ref h1);
            }
            Vector512<float> scale0 = Headers.Load512(header, 0, tile->Part->ScaleType),
                scale1 = Headers.Load512(header + panelStep, 0, tile->Part->ScaleType);
            Vector512<float> bias0 = default, bias1 = default;
            if (tile->HasBiases != 0)
            {
                Vector512<float> centre = Vector512.Create((float)TTile.Half);
                bias0 = Vector512.FusedMultiplyAdd(centre, scale0, Headers.Load512(header, 16, tile->Part->ScaleType));
                bias1 = Vector512.FusedMultiplyAdd(centre, scale1, Headers.Load512(header + panelStep, 16, tile->Part->ScaleType));
            }
            Finish<TTile>(tile, (block * TRows.Count) + 0, 0, a0, a1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 1) Finish<TTile>(tile, (block * TRows.Count) + 1, 1, b0, b1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 2) Finish<TTile>(tile, (block * TRows.Count) + 2, 2, c0, c1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 3) Finish<TTile>(tile, (block * TRows.Count) + 3, 3, d0, d1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 4) Finish<TTile>(tile, (block * TRows.Count) + 4, 4, e0, e1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 5) Finish<TTile>(tile, (block * TRows.Count) + 5, 5, f0, f1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 6) Finish<TTile>(tile, (block * TRows.Count) + 6, 6, g0, g1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 7) Finish<TTile>(tile, (block * TRows.Count) + 7, 7, h0, h1, scale0, scale1, bias0, bias1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TTile>(byte* x, nint half, Vector512<short> v0, Vector512<short> v1, Vector512<short> w0,
        Vector512<short> w1, ref Vector512<short> s0, ref Vector512<short> s1)
        where TTile : struct, IIntTile
    {
        Vector512<int> xs = Vector512.Create(*(int*)x);
        s0 = TTile.Add(s0, v0, xs);
        s1 = TTile.Add(s1, v1, xs);
        xs = Vector512.Create(*(int*)(x + half));
        s0 = TTile.Add(s0, w0, xs);
        s1 = TTile.Add(s1, w1, xs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TTile>(
        IntTile* tile, nint index, int row, Vector512<short> s0, Vector512<short> s1, Vector512<float> scale0,
            Vector512<float> scale1, Vector512<float> bias0, Vector512<float> bias1)
        where TTile : struct, IIntTile
    {
        float* sums = tile->Sums + (row * PackedWeight.PanelRows);
        Vector512<float> xScale = Vector512.Create(tile->XScales[index]);
        Vector512<int> dot0 = TTile.Total(s0), dot1 = TTile.Total(s1);
        if (TTile.Offset != 0)
        {
            Vector512<int> offset = Vector512.Create(TTile.Offset * tile->XSums[index]);
            dot0 -= offset;
            dot1 -= offset;
        }
        Vector512<float> sum0 = Vector512.FusedMultiplyAdd(xScale * scale0, Vector512.ConvertToSingle(dot0), Vector512.Load(sums));
        Vector512<float> sum1 = Vector512.FusedMultiplyAdd(xScale * scale1, Vector512.ConvertToSingle(dot1),
            Vector512.Load(sums + tile->SumsStep));
        if (tile->HasBiases != 0)
        {
            Vector512<float> sumOfX = Vector512.Create((float)tile->XSums[index]);
            sum0 = Vector512.FusedMultiplyAdd(xScale * bias0, sumOfX, sum0);
            sum1 = Vector512.FusedMultiplyAdd(xScale * bias1, sumOfX, sum1);
        }
        sum0.Store(sums);
        sum1.Store(sums + tile->SumsStep);
    }
}
