using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>Steps of the online softmax: one or more blocks of 16 scores, in ascending order, for each of some queries.</summary>
internal static unsafe class BlockSoftmax<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>
    /// For each block, for each query: s = score * scale, new = max(old, s over the visible cells), factor = exp(old - new),
    /// p = exp(s - new), lane j of the denominator = lane j * factor + p[j]. Scores become probabilities times unit, +0 in cells that are not visible.
    /// scores: [numBlocks, count, 16], max: [count], denominators: [count, 16], factors and maxima: [numBlocks, count], factors with room for
    /// a vector more.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Update(
        float* scores, int numBlocks, int count, float scale, float unit, Cells cells, float* max, float* denominators, float* factors,
            float* maxima)
    {
        TVector scales = TSimd.Broadcast(cells.IsWhole ? scale : 1f), units = TSimd.Broadcast(unit);
        float* s = scores;
        for (int block = 0; block < numBlocks; block++)
        {
            for (int q = 0; q < count; q++, s += Lanes.Count)
            {
                if (!cells.IsWhole) Hide(s, scale, cells);
                TVector largest = TSimd.Multiply(TSimd.Load(s), scales);
                TSimd.Store(s, largest);
                for (int lane = TSimd.Width; lane < Lanes.Count; lane += TSimd.Width)
                {
                    TVector v = TSimd.Multiply(TSimd.Load(s + lane), scales);
                    TSimd.Store(s + lane, v);
                    largest = TSimd.Max(largest, v);
                }
                float old = max[q], ofBlock = TSimd.MaxAcross(largest), larger = ofBlock > old ? ofBlock : old;
                max[q] = larger;
                maxima[(block * count) + q] = larger;
                factors[(block * count) + q] = old - larger;
            }
        }
        for (int q = 0; q < numBlocks * count; q += TSimd.Width) TSimd.Store(factors + q, TSimd.Exp(TSimd.Load(factors + q)));
        s = scores;
        for (int block = 0; block < numBlocks; block++, factors += count, maxima += count)
        {
            for (int q = 0; q < count; q++, s += Lanes.Count)
            {
                float* lanes = denominators + ((nint)q * Lanes.Count);
                TVector newMax = TSimd.Broadcast(maxima[q]), factor = TSimd.Broadcast(factors[q]);
                for (int lane = 0; lane < Lanes.Count; lane += TSimd.Width)
                {
                    TVector p = TSimd.Exp(TSimd.Subtract(TSimd.Load(s + lane), newMax));
                    TSimd.Store(s + lane, TSimd.Multiply(p, units));
                    TSimd.Store(lanes + lane, TSimd.Add(TSimd.Multiply(TSimd.Load(lanes + lane), factor), p));
                }
            }
        }
    }

    // Scales the visible cells; the others hold anything.
    private static void Hide(float* scores, float scale, Cells cells)
    {
        for (int cell = 0; cell < Lanes.Count; cell++)
            scores[cell] = cell >= cells.First && cell < cells.End ? scores[cell] * scale : float.NegativeInfinity;
    }
}

/// <summary>The cells [First, End) of a block that a query sees.</summary>
internal readonly record struct Cells(int First, int End)
{
    /// <summary>All of them.</summary>
    public static Cells Whole => new(0, KvLayout.PageSize);

    /// <summary>True where all are seen.</summary>
    public bool IsWhole => Count == KvLayout.PageSize;

    /// <summary>Cells seen.</summary>
    public int Count => End - First;
}
