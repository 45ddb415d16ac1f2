using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>One step of the online softmax: a block of 16 scores for each of some queries.</summary>
internal static unsafe class BlockSoftmax<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>
    /// For each query: s = score * scale, new = max(old, s over the visible cells), factor = exp(old - new), p = exp(s - new), lane j of the
    /// denominator = lane j * factor + p[j]. Scores become probabilities, +0 in cells that are not visible. scores: [count, 16], max: [count],
    /// denominators: [count, 16], factors: [count], with room up to the next multiple of 16.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Update(
        float* scores, int count, float scale, int firstCell, int endCell, float* max, float* denominators, float* factors)
    {
        bool isWhole = endCell - firstCell == Lanes.Count;
        TVector scales = TSimd.Broadcast(isWhole ? scale : 1f);
        for (int q = 0; q < count; q++)
        {
            float* s = scores + (q * Lanes.Count);
            if (!isWhole) Hide(s, scale, firstCell, endCell);
            TVector largest = TSimd.Multiply(TSimd.Load(s), scales);
            TSimd.Store(s, largest);
            for (int lane = TSimd.Width; lane < Lanes.Count; lane += TSimd.Width)
            {
                TVector v = TSimd.Multiply(TSimd.Load(s + lane), scales);
                TSimd.Store(s + lane, v);
                largest = TSimd.Max(largest, v);
            }
            float old = max[q], block = TSimd.MaxAcross(largest), larger = block > old ? block : old;
            max[q] = larger;
            factors[q] = old - larger;
        }
        for (int q = 0; q < count; q += TSimd.Width) TSimd.Store(factors + q, TSimd.Exp(TSimd.Load(factors + q)));
        for (int q = 0; q < count; q++)
        {
            float* s = scores + (q * Lanes.Count), lanes = denominators + (q * Lanes.Count);
            TVector newMax = TSimd.Broadcast(max[q]), factor = TSimd.Broadcast(factors[q]);
            for (int lane = 0; lane < Lanes.Count; lane += TSimd.Width)
            {
                TVector p = TSimd.Exp(TSimd.Subtract(TSimd.Load(s + lane), newMax));
                TSimd.Store(s + lane, p);
                TSimd.Store(lanes + lane, TSimd.Add(TSimd.Multiply(TSimd.Load(lanes + lane), factor), p));
            }
        }
    }

    // Scales the visible cells; the others hold anything.
    private static void Hide(float* scores, float scale, int firstCell, int endCell)
    {
        for (int cell = 0; cell < Lanes.Count; cell++)
            scores[cell] = cell >= firstCell && cell < endCell ? scores[cell] * scale : float.NegativeInfinity;
    }
}
