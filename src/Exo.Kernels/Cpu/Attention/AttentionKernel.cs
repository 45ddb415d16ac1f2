using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// The thread team's bodies. Either a piece is a unit, which goes through its segments and merges them as they come; or, where there are
/// too few units for the team, a piece is one segment of a unit, and the states are merged afterwards, in the same tree.
/// </summary>
internal static unsafe class AttentionKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Piece = unit.</summary>
    public static void WholeUnit(void* jobAddress, int piece, int worker)
    {
        ref AttentionJob job = ref *(AttentionJob*)jobAddress;
        ref AttentionUnit unit = ref job.Units[piece];
        UnitScratch scratch = Prepare(job, unit, worker);
        var tree = new SegmentTree<TSimd, TVector>(stackalloc nint[SegmentTree<TSimd, TVector>.MaxDepth], unit.NumQueries, job.Sizes);
        int first = unit.FirstSegment(job.Layout.Window), end = unit.EndSegment;
        for (int s = 0; s < first; s++) tree.Push(null);
        for (int s = first; s < end; s++)
        {
            float* memory = FreeState(scratch.States, job.Sizes, tree);
            SegmentKernel<TSimd, TVector>.Run(job, unit, s, scratch, new Segment(memory, job.Sizes));
            tree.Push(memory);
        }
        Write(job, unit, new Segment(tree.Root(), job.Sizes));
    }

    /// <summary>Piece = unit * SegmentsPerUnit + segment.</summary>
    public static void OneSegment(void* jobAddress, int piece, int worker)
    {
        ref AttentionJob job = ref *(AttentionJob*)jobAddress;
        (int number, int segment) = Math.DivRem(piece, job.SegmentsPerUnit);
        ref AttentionUnit unit = ref job.Units[number];
        if (segment < unit.FirstSegment(job.Layout.Window) || segment >= unit.EndSegment) return;
        UnitScratch scratch = Prepare(job, unit, worker);
        var state = new Segment(job.States + (piece * job.Sizes.StateFloats), job.Sizes);
        SegmentKernel<TSimd, TVector>.Run(job, unit, segment, scratch, state);
    }

    /// <summary>Piece = unit, whose segments are all there.</summary>
    public static void MergeUnit(void* jobAddress, int piece, int worker)
    {
        ref AttentionJob job = ref *(AttentionJob*)jobAddress;
        ref AttentionUnit unit = ref job.Units[piece];
        var tree = new SegmentTree<TSimd, TVector>(stackalloc nint[SegmentTree<TSimd, TVector>.MaxDepth], unit.NumQueries, job.Sizes);
        int first = unit.FirstSegment(job.Layout.Window), end = unit.EndSegment;
        float* states = job.States + ((nint)piece * job.SegmentsPerUnit * job.Sizes.StateFloats);
        for (int s = 0; s < end; s++) tree.Push(s < first ? null : states + (s * job.Sizes.StateFloats));
        Write(job, unit, new Segment(tree.Root(), job.Sizes));
    }

    // The queries of one row lie together; those of several rows are brought together, so that a tile's rows are one stride apart.
    private static UnitScratch Prepare(in AttentionJob job, in AttentionUnit unit, int worker)
    {
        var scratch = new UnitScratch(job.Scratch + (worker * job.Sizes.WorkerFloats), job.Sizes);
        int width = unit.NumHeads * job.Layout.KeyWidth;
        float* queries = job.Query + (unit.FirstRow * job.QueryStride) + ((nint)unit.FirstHead * job.Layout.KeyWidth);
        if (unit.NumRows == 1) scratch.Queries = queries;
        else
            for (int row = 0; row < unit.NumRows; row++)
            {
                var source = new ReadOnlySpan<float>(queries + (row * job.QueryStride), width);
                source.CopyTo(new Span<float>(scratch.Queries + ((nint)row * width), width));
            }
        if (!KvBlocks<TSimd, TVector>.MultipliesHalves(job, unit)) return scratch;
        scratch.IsScaled = HalfUnit.TryScale<TSimd, TVector>(scratch.Queries, scratch.OwnQueries, unit.NumRows * width);
        if (scratch.IsScaled) scratch.Queries = scratch.OwnQueries;
        return scratch;
    }

    private static float* FreeState(float* states, AttentionSizes sizes, in SegmentTree<TSimd, TVector> tree)
    {
        for (int i = 0; i < sizes.NumStates; i++)
            if (!tree.Holds(states + (i * sizes.StateFloats))) return states + (i * sizes.StateFloats);
        throw new InvalidOperationException($"{sizes.NumStates} states do not suffice for the tree over a unit's segments");
    }

    /// <summary>out = sums / denominator.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Write(in AttentionJob job, in AttentionUnit unit, Segment state)
    {
        int width = job.Layout.ValueWidth;
        for (int q = 0; q < unit.NumQueries; q++)
        {
            (int row, int head) = Math.DivRem(q, unit.NumHeads);
            float* output = job.Output + ((unit.FirstRow + row) * job.OutputStride) + ((nint)(unit.FirstHead + head) * width);
            float* sums = state.Sums + ((nint)q * state.Width);
            float denominator = state.Denominators[(nint)q * Lanes.Count];
            TVector divisor = TSimd.Broadcast(denominator);
            int i = 0;
            for (; i <= width - TSimd.Width; i += TSimd.Width) TSimd.Store(output + i, TSimd.Divide(TSimd.Load(sums + i), divisor));
            for (; i < width; i++) output[i] = sums[i] / denominator;
        }
    }
}
