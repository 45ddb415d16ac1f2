using System.Numerics;

namespace Exo.Kernels;

/// <summary>
/// The two shapes of reduction trees (NUMERICS.md, trees). Both are fixed by the number of leaves alone, so every rank, device and
/// batch adds in the same order.
/// </summary>
public static class ReductionTree
{
    /// <summary>A fixed number of leaves: [start, end) is split after its first ceil(n / 2) leaves.</summary>
    public static int SplitBalanced(int start, int end) => start + ((end - start + 1) / 2);

    /// <summary>A growing number of leaves: [start, end) is split after the largest power of two below its count.</summary>
    public static int SplitGrowing(int start, int end) => start + (1 << BitOperations.Log2((uint)(end - start - 1)));

    /// <summary>The maximal subtrees of the tree over [0, count) that together cover [first, end), in ascending order.</summary>
    public static List<(int Start, int End)> Cover(int count, int first, int end, Func<int, int, int> split)
    {
        var cover = new List<(int, int)>();
        Visit(0, count);
        return cover;

        void Visit(int start, int stop)
        {
            if (stop <= first || start >= end || start == stop) return;
            if (first <= start && stop <= end)
            {
                cover.Add((start, stop));
                return;
            }
            int middle = split(start, stop);
            Visit(start, middle);
            Visit(middle, stop);
        }
    }

    /// <summary>
    /// Adds 16 lanes as a balanced tree: neighbours at distance 8, then 4, 2, 1. The sum of <paramref name="lanes"/>, which is
    /// overwritten. This is the tree of every sum that makes one output.
    /// </summary>
    public static float AddLanes(Span<float> lanes)
    {
        for (int half = 8; half >= 1; half /= 2)
            for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
        return lanes[0];
    }
}
