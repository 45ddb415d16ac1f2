using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// One token times four integer panels <c>distance</c> bytes apart: what <see cref="IntStreams"/> does, with x loaded once for all four
/// and four sequential streams of memory side by side. Sums: [4][16], added to.
/// </summary>
internal static unsafe class IntFourStreams
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add256<TPanel>(PackedPart* part, byte* panel, nint distance, int start, int end, QuantizedRow* x, float* sums)
        where TPanel : struct, IIntPanel
    {
        int* offsets = part->Blocks;
        for (nint block = start; block < end; block++)
        {
            byte* a = panel + offsets[(2 * block) + 1], b = a + distance, c = b + distance, d = c + distance;
            int* xq = (int*)(x->Quants + (ColumnPlan.BlockSize * block));
            Vector256<short> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
            for (nint j = 0; j < TPanel.Vectors; j++, a += 64, b += 64, c += 64, d += 64)
            {
                Vector256<int> xj = Vector256.Create(xq[j]);
                Vector256<int> yj = TPanel.Vectors == 4 ? Vector256.Create(xq[j + 4]) : (Vector256<sbyte>.Zero - xj.AsSByte()).AsInt32();
                a0 = TPanel.Add(a0, Vector256.Load((sbyte*)a), xj, yj);
                a1 = TPanel.Add(a1, Vector256.Load((sbyte*)a + 32), xj, yj);
                b0 = TPanel.Add(b0, Vector256.Load((sbyte*)b), xj, yj);
                b1 = TPanel.Add(b1, Vector256.Load((sbyte*)b + 32), xj, yj);
                c0 = TPanel.Add(c0, Vector256.Load((sbyte*)c), xj, yj);
                c1 = TPanel.Add(c1, Vector256.Load((sbyte*)c + 32), xj, yj);
                d0 = TPanel.Add(d0, Vector256.Load((sbyte*)d), xj, yj);
                d1 = TPanel.Add(d1, Vector256.Load((sbyte*)d + 32), xj, yj);
            }
            byte* header = panel + offsets[2 * block];
            Vector256<float> xScale = Vector256.Create(x->Scales[block]);
            Vector256<int> sumOfX = Vector256.Create(x->Sums[block]);
            Finish<TPanel>(part, header, 0, a0, xScale, sumOfX, sums);
            Finish<TPanel>(part, header, 8, a1, xScale, sumOfX, sums + 8);
            Finish<TPanel>(part, header + distance, 0, b0, xScale, sumOfX, sums + 16);
            Finish<TPanel>(part, header + distance, 8, b1, xScale, sumOfX, sums + 24);
            Finish<TPanel>(part, header + (2 * distance), 0, c0, xScale, sumOfX, sums + 32);
            Finish<TPanel>(part, header + (2 * distance), 8, c1, xScale, sumOfX, sums + 40);
            Finish<TPanel>(part, header + (3 * distance), 0, d0, xScale, sumOfX, sums + 48);
            Finish<TPanel>(part, header + (3 * distance), 8, d1, xScale, sumOfX, sums + 56);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TPanel>(
        PackedPart* part, byte* header, int index, Vector256<short> dots, Vector256<float> xScale, Vector256<int> sumOfX, float* sums)
        where TPanel : struct, IIntPanel
    {
        Vector256<int> dot = TPanel.Total(dots);
        if (TPanel.Offset != 0) dot -= sumOfX * TPanel.Offset;
        Vector256<float> scale = Headers.Load256(header, index, part->ScaleType);
        Vector256<float> sum = Vector256.FusedMultiplyAdd(xScale * scale, Vector256.ConvertToSingle(dot), Vector256.Load(sums));
        if (part->HasBiases != 0)
        {
            Vector256<float> bias = Headers.Load256(header, 16 + index, part->ScaleType);
            bias = Vector256.FusedMultiplyAdd(Vector256.Create((float)TPanel.Half), scale, bias);
            sum = Vector256.FusedMultiplyAdd(xScale * bias, Vector256.ConvertToSingle(sumOfX), sum);
        }
        sum.Store(sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add512<TPanel>(PackedPart* part, byte* panel, nint distance, int start, int end, QuantizedRow* x, float* sums)
        where TPanel : struct, IIntPanel
    {
        int* offsets = part->Blocks;
        for (nint block = start; block < end; block++)
        {
            byte* a = panel + offsets[(2 * block) + 1], b = a + distance, c = b + distance, d = c + distance;
            int* xq = (int*)(x->Quants + (ColumnPlan.BlockSize * block));
            Vector512<short> a0 = default, b0 = default, c0 = default, d0 = default;
            for (nint j = 0; j < TPanel.Vectors; j++, a += 64, b += 64, c += 64, d += 64)
            {
                Vector512<int> xj = Vector512.Create(xq[j]);
                Vector512<int> yj = TPanel.Vectors == 4 ? Vector512.Create(xq[j + 4]) : (Vector512<sbyte>.Zero - xj.AsSByte()).AsInt32();
                a0 = TPanel.Add(a0, Vector512.Load((sbyte*)a), xj, yj);
                b0 = TPanel.Add(b0, Vector512.Load((sbyte*)b), xj, yj);
                c0 = TPanel.Add(c0, Vector512.Load((sbyte*)c), xj, yj);
                d0 = TPanel.Add(d0, Vector512.Load((sbyte*)d), xj, yj);
            }
            byte* header = panel + offsets[2 * block];
            Vector512<float> xScale = Vector512.Create(x->Scales[block]);
            Vector512<int> sumOfX = Vector512.Create(x->Sums[block]);
            Finish<TPanel>(part, header, 0, a0, xScale, sumOfX, sums);
            Finish<TPanel>(part, header + distance, 0, b0, xScale, sumOfX, sums + 16);
            Finish<TPanel>(part, header + (2 * distance), 0, c0, xScale, sumOfX, sums + 32);
            Finish<TPanel>(part, header + (3 * distance), 0, d0, xScale, sumOfX, sums + 48);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TPanel>(
        PackedPart* part, byte* header, int index, Vector512<short> dots, Vector512<float> xScale, Vector512<int> sumOfX, float* sums)
        where TPanel : struct, IIntPanel
    {
        Vector512<int> dot = TPanel.Total(dots);
        if (TPanel.Offset != 0) dot -= sumOfX * TPanel.Offset;
        Vector512<float> scale = Headers.Load512(header, index, part->ScaleType);
        Vector512<float> sum = Vector512.FusedMultiplyAdd(xScale * scale, Vector512.ConvertToSingle(dot), Vector512.Load(sums));
        if (part->HasBiases != 0)
        {
            Vector512<float> bias = Headers.Load512(header, 16 + index, part->ScaleType);
            bias = Vector512.FusedMultiplyAdd(Vector512.Create((float)TPanel.Half), scale, bias);
            sum = Vector512.FusedMultiplyAdd(xScale * bias, Vector512.ConvertToSingle(sumOfX), sum);
        }
        sum.Store(sums);
    }
}
