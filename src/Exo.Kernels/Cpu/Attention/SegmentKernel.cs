using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// The queries of a unit over the positions of one segment: block by block of 16 positions, the scores of all queries that see the whole block
/// at once, those of a row that sees a part of it by themselves; a position that a row does not see is never multiplied with.
/// </summary>
internal static unsafe class SegmentKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Block = KvLayout.PageSize;

    /// <summary>Fills <paramref name="state"/> with segment <paramref name="index"/>.</summary>
    public static void Run(in AttentionJob job, in AttentionUnit unit, int index, in UnitScratch scratch, Segment state)
    {
        state.Clear(unit.NumQueries);
        int window = job.Layout.Window;
        int first = Math.Max(index * Segment.Size, AttentionUnit.FirstVisible(unit.FirstPosition, window));
        int end = Math.Min((index + 1) * Segment.Size, unit.LastPosition + 1);
        for (int start = first / Block * Block; start < end; start += Block)
        {
            KvBlock block = KvBlocks<TSimd, TVector>.Open(job, unit, start / Block, scratch);

            // Rows ascend by one position: those that see all 16 are the consecutive rows [fullStart, fullEnd).
            int fullStart = Math.Clamp(start + Block - 1 - unit.FirstPosition, 0, unit.NumRows);
            int fullEnd = window == 0 ? unit.NumRows : Math.Clamp(start + window - unit.FirstPosition, fullStart, unit.NumRows);
            for (int row = 0; row < fullStart; row++) Row(job, unit, start, row, block, scratch, state);
            if (fullStart < fullEnd) Queries(job, block, fullStart * unit.NumHeads, (fullEnd - fullStart) * unit.NumHeads, 0, Block, scratch, state);
            for (int row = fullEnd; row < unit.NumRows; row++) Row(job, unit, start, row, block, scratch, state);
        }
        state.Finish(unit.NumQueries);
    }

    private static void Row(
        in AttentionJob job, in AttentionUnit unit, int start, int row, in KvBlock block, in UnitScratch scratch, Segment state)
    {
        int position = unit.FirstPosition + row;
        int firstCell = Math.Max(0, AttentionUnit.FirstVisible(position, job.Layout.Window) - start);
        int endCell = Math.Min(Block, position + 1 - start);
        if (firstCell < endCell) Queries(job, block, row * unit.NumHeads, unit.NumHeads, firstCell, endCell, scratch, state);
    }

    // The queries [query, query + count), which all see the cells [firstCell, endCell) of the block and no others.
    private static void Queries(
        in AttentionJob job, in KvBlock block, int query, int count, int firstCell, int endCell, in UnitScratch scratch, Segment state)
    {
        float* scores = scratch.Scores, q = scratch.Queries + (query * scratch.QueryStride);
        int width = job.Layout.KeyWidth, padded = state.Width;
        float* sums = state.Sums + ((nint)query * padded);
        if (block.KeysAreHalf)
            Tile<TSimd, TVector, HalfElement<TSimd, TVector>>.Multiply(q, scratch.QueryStride, block.Keys, Block, scores, Block, null, count, Block, width);
        else
            Tile<TSimd, TVector, FloatElement<TSimd, TVector>>.Multiply(q, scratch.QueryStride, block.Keys, Block, scores, Block, null, count, Block, width);
        BlockSoftmax<TSimd, TVector>.Update(
            scores, count, job.Scale, firstCell, endCell, state.Max + query, state.Denominators + ((nint)query * Lanes.Count), scratch.Factors);
        float* probabilities = scores + firstCell;
        int cells = endCell - firstCell, columns = block.ValueColumns;
        if (block.ValuesAreHalf)
            Tile<TSimd, TVector, HalfElement<TSimd, TVector>>.Multiply(
                probabilities, Block, block.Values + (2 * firstCell * block.ValueStride), block.ValueStride, sums, padded, scratch.Factors, count, columns, cells);
        else
            Tile<TSimd, TVector, FloatElement<TSimd, TVector>>.Multiply(
                probabilities, Block, block.Values + (4 * firstCell * block.ValueStride), block.ValueStride, sums, padded, scratch.Factors, count, columns, cells);
    }
}

/// <summary>Memory of one worker while it computes a unit.</summary>
internal unsafe struct UnitScratch
{
    /// <summary>Query 0.</summary>
    public float* Queries;

    /// <summary>Floats between two queries.</summary>
    public nint QueryStride;

    /// <summary>Keys of a block as floats, [KeyWidth, 16].</summary>
    public float* Keys;

    /// <summary>Values of a block as floats, [16, PaddedValueWidth].</summary>
    public float* Values;

    /// <summary>Scores, then probabilities, [queries, 16].</summary>
    public float* Scores;

    /// <summary>exp(old maximum - new maximum), [queries].</summary>
    public float* Factors;

    /// <summary>The states, Sizes.NumStates of them.</summary>
    public float* States;

    /// <summary>The parts of a worker's scratch.</summary>
    public UnitScratch(float* memory, AttentionSizes sizes)
    {
        Queries = memory;
        QueryStride = sizes.KeyWidth;
        Keys = Queries + AttentionSizes.RoundUp(sizes.MaxQueries * sizes.KeyWidth);
        Values = Keys + ((nint)sizes.KeyWidth * KvLayout.PageSize);
        Scores = Values + ((nint)sizes.PaddedValueWidth * KvLayout.PageSize);
        Factors = Scores + ((nint)sizes.MaxQueries * KvLayout.PageSize);
        States = Factors + sizes.MaxQueries;
    }
}
