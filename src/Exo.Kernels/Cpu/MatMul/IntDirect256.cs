using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// The same as <see cref="IntTiles256"/> for up to 4 tokens, straight from the packed panel: with so few, unpacking in registers costs less than
/// unpacking to memory, and reading goes on while multiplying does.
/// </summary>
internal static unsafe class IntDirect256
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
            Vector256<short> a0 = default, a1 = default;
            Vector256<short> b0 = default, b1 = default;
            Vector256<short> c0 = default, c1 = default;
            Vector256<short> d0 = default, d1 = default;
            for (nint at = 0; at < half; at += 4)
            {
                TTile.Split(Vector256.Load((short*)(quants + (16 * at))), out Vector256<short> v0, out Vector256<short> w0);
                TTile.Split(Vector256.Load((short*)(quants + 32 + (16 * at))), out Vector256<short> v1, out Vector256<short> w1);
                Step<TTile>(x + at, half, v0, v1, w0, w1, ref a0, ref a1);
                if (TRows.Count > 1) Step<TTile>(x + at + rowBytes, half, v0, v1, w0, w1, ref b0, ref b1);
                if (TRows.Count > 2) Step<TTile>(x + at + (2 * rowBytes), half, v0, v1, w0, w1, ref c0, ref c1);
                if (TRows.Count > 3) Step<TTile>(x + at + (3 * rowBytes), half, v0, v1, w0, w1, ref d0, ref d1);
            }
            Vector256<float> scale0 = Headers.Load256(header, 0, tile->Part->ScaleType), scale1 = Headers.Load256(header, 8,
                tile->Part->ScaleType);
            Vector256<float> bias0 = default, bias1 = default;
            if (tile->HasBiases != 0)
            {
                Vector256<float> centre = Vector256.Create((float)TTile.Half);
                bias0 = Vector256.FusedMultiplyAdd(centre, scale0, Headers.Load256(header, 16, tile->Part->ScaleType));
                bias1 = Vector256.FusedMultiplyAdd(centre, scale1, Headers.Load256(header, 24, tile->Part->ScaleType));
            }
            Finish<TTile>(tile, (block * TRows.Count) + 0, 0, a0, a1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 1) Finish<TTile>(tile, (block * TRows.Count) + 1, 1, b0, b1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 2) Finish<TTile>(tile, (block * TRows.Count) + 2, 2, c0, c1, scale0, scale1, bias0, bias1);
            if (TRows.Count > 3) Finish<TTile>(tile, (block * TRows.Count) + 3, 3, d0, d1, scale0, scale1, bias0, bias1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TTile>(byte* x, nint half, Vector256<short> v0, Vector256<short> v1, Vector256<short> w0,
        Vector256<short> w1, ref Vector256<short> s0, ref Vector256<short> s1)
        where TTile : struct, IIntTile
    {
        Vector256<int> xs = Vector256.Create(*(int*)x);
        s0 = TTile.Add(s0, v0, xs);
        s1 = TTile.Add(s1, v1, xs);
        xs = Vector256.Create(*(int*)(x + half));
        s0 = TTile.Add(s0, w0, xs);
        s1 = TTile.Add(s1, w1, xs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TTile>(
        IntTile* tile, nint index, int row, Vector256<short> s0, Vector256<short> s1, Vector256<float> scale0,
            Vector256<float> scale1, Vector256<float> bias0, Vector256<float> bias1)
        where TTile : struct, IIntTile
    {
        float* sums = tile->Sums + (row * PackedWeight.PanelRows);
        Vector256<float> xScale = Vector256.Create(tile->XScales[index]);
        Vector256<int> dot0 = TTile.Total(s0), dot1 = TTile.Total(s1);
        if (TTile.Offset != 0)
        {
            Vector256<int> offset = Vector256.Create(TTile.Offset * tile->XSums[index]);
            dot0 -= offset;
            dot1 -= offset;
        }
        Vector256<float> sum0 = Vector256.FusedMultiplyAdd(xScale * scale0, Vector256.ConvertToSingle(dot0), Vector256.Load(sums));
        Vector256<float> sum1 = Vector256.FusedMultiplyAdd(xScale * scale1, Vector256.ConvertToSingle(dot1), Vector256.Load(sums + 8));
        if (tile->HasBiases != 0)
        {
            Vector256<float> sumOfX = Vector256.Create((float)tile->XSums[index]);
            sum0 = Vector256.FusedMultiplyAdd(xScale * bias0, sumOfX, sum0);
            sum1 = Vector256.FusedMultiplyAdd(xScale * bias1, sumOfX, sum1);
        }
        sum0.Store(sums);
        sum1.Store(sums + 8);
    }
}
