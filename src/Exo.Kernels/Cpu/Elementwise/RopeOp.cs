using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels.Cpu;

/// <summary>Rotates pairs in place: a' = fma(a, cos, -(b * sin)), b' = fma(b, cos, a * sin), for every head of a row.</summary>
internal unsafe struct RopeOp : IRowOp
{
    public float* X;
    public nint XStride;
    public float* Table;
    public nint TableStride;
    public int NumPairs;
    public int NumHeads;
    public int HeadDim;
    public int Offset;
    public RopePairs Pairs;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = start; row < end; row++)
        {
            float* x = X + (row * XStride) + Offset, cos = Table + (row * TableStride), sin = cos + NumPairs;
            for (int head = 0; head < NumHeads; head++, x += HeadDim)
            {
                if (Pairs == RopePairs.Halves) Halves<TSimd, TVector>(x, x + NumPairs, cos, sin, NumPairs);
                else Interleaved(x, cos, sin, NumPairs);
            }
        }
    }

    private static void Halves<TSimd, TVector>(float* a, float* b, float* cos, float* sin, int n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= n - TSimd.Width; i += TSimd.Width)
        {
            TVector va = TSimd.Load(a + i), vb = TSimd.Load(b + i), c = TSimd.Load(cos + i), s = TSimd.Load(sin + i);
            TVector minusSin = TSimd.Multiply(s, TSimd.Broadcast(-1f));
            TSimd.Store(a + i, TSimd.Fma(va, c, TSimd.Multiply(vb, minusSin)));
            TSimd.Store(b + i, TSimd.Fma(vb, c, TSimd.Multiply(va, s)));
        }
        for (; i < n; i++) Rotate(ref a[i], ref b[i], cos[i], sin[i]);
    }

    // Two pairs at a time: lanes (a0, b0, a1, b1) times (c0, c0, c1, c1), plus (b0, a0, b1, a1) times (-s0, s0, -s1, s1).
    private static void Interleaved(float* x, float* cos, float* sin, int n)
    {
        int i = 0;
        for (; i <= n - 2; i += 2)
        {
            Vector128<float> v = Vector128.Load(x + (2 * i));
            Vector128<float> c = Vector128.Create(cos[i], cos[i], cos[i + 1], cos[i + 1]);
            Vector128<float> s = Vector128.Create(-sin[i], sin[i], -sin[i + 1], sin[i + 1]);
            Vector128<float> swapped = Vector128.Shuffle(v, Vector128.Create(1, 0, 3, 2));
            Vector128.FusedMultiplyAdd(v, c, swapped * s).Store(x + (2 * i));
        }
        for (; i < n; i++) Rotate(ref x[2 * i], ref x[(2 * i) + 1], cos[i], sin[i]);
    }

    private static void Rotate(ref float a, ref float b, float cos, float sin)
    {
        float rotated = MathF.FusedMultiplyAdd(a, cos, -(b * sin));
        b = MathF.FusedMultiplyAdd(b, cos, a * sin);
        a = rotated;
    }
}
