using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>One token's quants: x in blocks of 32 bytes, a scale and a sum of the quants for each.</summary>
internal unsafe struct QuantizedRow
{
    public sbyte* Quants;
    public float* Scales;
    public int* Sums;
}

/// <summary>
/// One token times integer panels <paramref name="distance"/> bytes apart, block by block in ascending order:
/// sum = fma(sx * sw, dot, sum), then, where the weight has biases, sum = fma(sx * bw', sum of q, sum) with
/// bw' = fma(2^(bits-1), sw, bw). Sums: [numPanels], sumsStep floats apart, [16]; they are added to.
/// </summary>
internal static unsafe class IntStreams
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add128<TPanel>(
        PackedPart* part, byte* panels, nint distance, int numPanels, int start, int end, QuantizedRow* x, float* sums, nint sumsStep)
        where TPanel : struct, IIntPanel
    {
        DType type = part->ScaleType;
        for (int block = start; block < end; block++)
        {
            int header = part->Blocks[2 * block], quants = part->Blocks[(2 * block) + 1], sumOfX = x->Sums[block];
            int* xq = (int*)(x->Quants + (ColumnPlan.BlockSize * (nint)block));
            Vector128<float> xScale = Vector128.Create(x->Scales[block]);
            for (int p = 0; p < numPanels; p++)
            {
                byte* panel = panels + (p * distance);
                for (int quarter = 0; quarter < 4; quarter++)
                {
                    float* sum = sums + (p * sumsStep) + (4 * quarter);
                    Vector128<int> dot = TPanel.Dot128(panel + quants, quarter, xq) - Vector128.Create(TPanel.Offset * sumOfX);
                    Vector128<float> scale = Headers.Load128(panel + header, 4 * quarter, type);
                    Vector128<float> acc = Vector128.FusedMultiplyAdd(xScale * scale, Vector128.ConvertToSingle(dot), Vector128.Load(sum));
                    if (part->HasBiases != 0)
                    {
                        Vector128<float> bias = Headers.Load128(panel + header, 16 + (4 * quarter), type);
                        bias = Vector128.FusedMultiplyAdd(Vector128.Create((float)TPanel.Half), scale, bias);
                        acc = Vector128.FusedMultiplyAdd(xScale * bias, Vector128.Create((float)sumOfX), acc);
                    }
                    acc.Store(sum);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add256<TPanel>(
        PackedPart* part, byte* panels, nint distance, int numPanels, int start, int end, QuantizedRow* x, float* sums, nint sumsStep)
        where TPanel : struct, IIntPanel
    {
        DType type = part->ScaleType;
        for (int block = start; block < end; block++)
        {
            int header = part->Blocks[2 * block], quants = part->Blocks[(2 * block) + 1], sumOfX = x->Sums[block];
            int* xq = (int*)(x->Quants + (ColumnPlan.BlockSize * (nint)block));
            Vector256<float> xScale = Vector256.Create(x->Scales[block]);
            for (int p = 0; p < numPanels; p++)
            {
                byte* panel = panels + (p * distance);
                for (int half = 0; half < 2; half++)
                {
                    float* sum = sums + (p * sumsStep) + (8 * half);
                    Vector256<int> dot = TPanel.Dot256(panel + quants, half, xq) - Vector256.Create(TPanel.Offset * sumOfX);
                    Vector256<float> scale = Headers.Load256(panel + header, 8 * half, type);
                    Vector256<float> acc = Vector256.FusedMultiplyAdd(xScale * scale, Vector256.ConvertToSingle(dot), Vector256.Load(sum));
                    if (part->HasBiases != 0)
                    {
                        Vector256<float> bias = Headers.Load256(panel + header, 16 + (8 * half), type);
                        bias = Vector256.FusedMultiplyAdd(Vector256.Create((float)TPanel.Half), scale, bias);
                        acc = Vector256.FusedMultiplyAdd(xScale * bias, Vector256.Create((float)sumOfX), acc);
                    }
                    acc.Store(sum);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add512<TPanel>(
        PackedPart* part, byte* panels, nint distance, int numPanels, int start, int end, QuantizedRow* x, float* sums, nint sumsStep)
        where TPanel : struct, IIntPanel
    {
        DType type = part->ScaleType;
        for (int block = start; block < end; block++)
        {
            int header = part->Blocks[2 * block], quants = part->Blocks[(2 * block) + 1], sumOfX = x->Sums[block];
            int* xq = (int*)(x->Quants + (ColumnPlan.BlockSize * (nint)block));
            Vector512<float> xScale = Vector512.Create(x->Scales[block]);
            for (int p = 0; p < numPanels; p++)
            {
                byte* panel = panels + (p * distance);
                float* sum = sums + (p * sumsStep);
                Vector512<int> dot = TPanel.Dot512(panel + quants, xq) - Vector512.Create(TPanel.Offset * sumOfX);
                Vector512<float> scale = Headers.Load512(panel + header, 0, type);
                Vector512<float> acc = Vector512.FusedMultiplyAdd(xScale * scale, Vector512.ConvertToSingle(dot), Vector512.Load(sum));
                if (part->HasBiases != 0)
                {
                    Vector512<float> bias = Headers.Load512(panel + header, 16, type);
                    bias = Vector512.FusedMultiplyAdd(Vector512.Create((float)TPanel.Half), scale, bias);
                    acc = Vector512.FusedMultiplyAdd(xScale * bias, Vector512.Create((float)sumOfX), acc);
                }
                acc.Store(sum);
            }
        }
    }
}
