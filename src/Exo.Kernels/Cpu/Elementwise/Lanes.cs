using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels.Cpu;

/// <summary>Sums that make one output: 16 virtual lanes, held by 16 / Width vectors, then the fixed tree over the lanes.</summary>
internal static unsafe class Lanes
{
    /// <summary>Virtual lanes of every such sum.</summary>
    public const int Count = 16;

    /// <summary>ReductionTree.AddLanes: distance 8, then 4, 2, 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float* lanes)
    {
        Vector128<float> low = Vector128.Load(lanes) + Vector128.Load(lanes + 8);
        Vector128<float> four = low + (Vector128.Load(lanes + 4) + Vector128.Load(lanes + 12));
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return two.ToScalar() + two.GetElement(1);
    }

    /// <summary>Lane j = fma(x[i], x[i], lane j) over i = j mod 16 ascending, then the tree.</summary>
    public static float SumOfSquares<TSimd, TVector>(float* x, int n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* lanes = stackalloc float[Count];
        float* tail = stackalloc float[Count];
        int whole = n / Count * Count;
        for (int i = 0; i < Count; i++) tail[i] = whole + i < n ? x[whole + i] : 0f;
        for (int lane = 0; lane < Count; lane += 2 * TSimd.Width)
        {
            bool isPair = TSimd.Width < Count;
            TVector low = TSimd.Zero, high = TSimd.Zero;
            for (int i = lane; i < whole; i += Count)
            {
                TVector v = TSimd.Load(x + i);
                low = TSimd.Fma(v, v, low);
                if (!isPair) continue;
                v = TSimd.Load(x + i + TSimd.Width);
                high = TSimd.Fma(v, v, high);
            }
            TVector rest = TSimd.Load(tail + lane);
            TSimd.Store(lanes + lane, TSimd.Fma(rest, rest, low));
            if (!isPair) continue;
            rest = TSimd.Load(tail + lane + TSimd.Width);
            TSimd.Store(lanes + lane + TSimd.Width, TSimd.Fma(rest, rest, high));
        }
        return Add(lanes);
    }
}
