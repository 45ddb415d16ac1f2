namespace Exo.Kernels.Cpu;

/// <summary>
/// Merges segments in the order of the growing tree (ReductionTree.SplitGrowing) while they arrive in ascending order. Runs of equal length
/// merge at once, so what is kept are complete trees of falling lengths: the binary digits of the count. Absent segments (null) are
/// counted and never merged; trailing absent ones change nothing.
/// </summary>
internal ref struct SegmentTree<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Complete trees at once, for any number of segments.</summary>
    public const int MaxDepth = 32;

    private readonly Span<nint> _runs;
    private readonly int _numQueries;
    private readonly AttentionSizes _sizes;
    private int _depth;
    private uint _count;

    /// <summary>An empty tree; <paramref name="runs"/> has room for <see cref="MaxDepth"/>.</summary>
    public SegmentTree(Span<nint> runs, int numQueries, AttentionSizes sizes)
    {
        _runs = runs;
        _numQueries = numQueries;
        _sizes = sizes;
    }

    /// <summary>States that are held at once, the newest segment's included, for a unit with <paramref name="numSegments"/>.</summary>
    public static int NumStates(int numSegments) => 33 - System.Numerics.BitOperations.LeadingZeroCount((uint)numSegments);

    /// <summary>The next segment's state, or null where no query sees anything of it.</summary>
    public unsafe void Push(float* state)
    {
        _runs[_depth++] = (nint)state;
        for (uint digits = _count++; (digits & 1) != 0; digits >>= 1) MergeTop();
    }

    /// <summary>The merger of all segments.</summary>
    public unsafe float* Root()
    {
        while (_depth > 1) MergeTop();
        return (float*)_runs[0];
    }

    /// <summary>True while a state is part of the tree.</summary>
    public readonly unsafe bool Holds(float* state) => _runs[.._depth].Contains((nint)state);

    private unsafe void MergeTop()
    {
        nint right = _runs[--_depth], left = _runs[_depth - 1];
        if (left == 0) _runs[_depth - 1] = right;
        else if (right != 0) new Segment((float*)left, _sizes).Merge<TSimd, TVector>(new Segment((float*)right, _sizes), _numQueries);
    }
}
