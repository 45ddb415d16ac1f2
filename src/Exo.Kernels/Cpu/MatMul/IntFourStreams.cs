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

    // 32 registers: the sums stay in them from block to block. Unsigned quants are Offset above q': the sums of pairs begin with
    // half of -Offset * (sum of x) each, which is exact, as what they end with is the sum of pairs of products with q' - Offset / 2 and with
    // -Offset / 2, inside int16.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add512<TPanel>(PackedPart* part, byte* panel, nint distance, int start, int end, QuantizedRow* x, float* sums)
        where TPanel : struct, IIntPanel
    {
        int* offsets = part->Blocks;
        DType type = part->ScaleType;
        bool hasBiases = part->HasBiases != 0;
        Vector512<float> sumA = Vector512.Load(sums), sumB = Vector512.Load(sums + 16), sumC = Vector512.Load(sums + 32),
            sumD = Vector512.Load(sums + 48);
        for (nint block = start; block < end; block++)
        {
            byte* a = panel + offsets[(2 * block) + 1], b = a + distance, c = b + distance, d = c + distance;
            int* xq = (int*)(x->Quants + (ColumnPlan.BlockSize * block));
            int sumOfX = x->Sums[block];
            Vector512<short> a0 = TPanel.Offset == 0 ? default : Vector512.Create((short)(-TPanel.Offset / 2 * sumOfX));
            Vector512<short> b0 = a0, c0 = a0, d0 = a0;
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
            Vector512<float> scaleA = Headers.Load512(header, 0, type), scaleB = Headers.Load512(header + distance, 0, type);
            Vector512<float> scaleC = Headers.Load512(header + (2 * distance), 0, type), scaleD = Headers.Load512(header + (3 * distance), 0, type);
            sumA = Vector512.FusedMultiplyAdd(xScale * scaleA, Vector512.ConvertToSingle(TPanel.Total(a0)), sumA);
            sumB = Vector512.FusedMultiplyAdd(xScale * scaleB, Vector512.ConvertToSingle(TPanel.Total(b0)), sumB);
            sumC = Vector512.FusedMultiplyAdd(xScale * scaleC, Vector512.ConvertToSingle(TPanel.Total(c0)), sumC);
            sumD = Vector512.FusedMultiplyAdd(xScale * scaleD, Vector512.ConvertToSingle(TPanel.Total(d0)), sumD);
            if (!hasBiases) continue;
            Vector512<float> sumOfQuants = Vector512.Create((float)sumOfX);
            sumA = AddBias<TPanel>(sumA, header, type, scaleA, xScale, sumOfQuants);
            sumB = AddBias<TPanel>(sumB, header + distance, type, scaleB, xScale, sumOfQuants);
            sumC = AddBias<TPanel>(sumC, header + (2 * distance), type, scaleC, xScale, sumOfQuants);
            sumD = AddBias<TPanel>(sumD, header + (3 * distance), type, scaleD, xScale, sumOfQuants);
        }
        sumA.Store(sums);
        sumB.Store(sums + 16);
        sumC.Store(sums + 32);
        sumD.Store(sums + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> AddBias<TPanel>(
        Vector512<float> sum, byte* header, DType type, Vector512<float> scale, Vector512<float> xScale, Vector512<float> sumOfQuants)
        where TPanel : struct, IIntPanel
    {
        Vector512<float> bias = Headers.Load512(header, PackedWeight.PanelRows, type);
        bias = Vector512.FusedMultiplyAdd(Vector512.Create((float)TPanel.Half), scale, bias);
        return Vector512.FusedMultiplyAdd(xScale * bias, sumOfQuants, sum);
    }
}
