using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// The queries of a unit over the positions of one segment, block by block of 16 positions: those of all rows that see the whole block at
/// once, those of a row that sees a part of it by themselves. A position that a row does not see is never multiplied with its values.
/// </summary>
internal static unsafe class SegmentKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Block = KvLayout.PageSize;
    private const int MaxBlocksAtOnce = AttentionSizes.MaxBlocksAtOnce;

    /// <summary>Fills <paramref name="state"/> with segment <paramref name="index"/>.</summary>
    public static void Run(in AttentionJob job, in AttentionUnit unit, int index, in UnitScratch scratch, Segment state)
    {
        state.Clear(unit.NumQueries);
        int window = job.Layout.Window, maxBlocks = KvBlocks<TSimd, TVector>.MaxBlocks(job, unit);
        int first = Math.Max(index * Segment.Size, AttentionUnit.FirstVisible(unit.FirstPosition, window));
        int end = Math.Min((index + 1) * Segment.Size, unit.LastPosition + 1);

        // Every row sees the blocks that begin in [commonStart, commonEnd): several of them are one step.
        int commonStart = RoundUp(AttentionUnit.FirstVisible(unit.LastPosition, window));
        int commonEnd = Math.Min(end, unit.FirstPosition + 1) - Block;
        KvBlock* blocks = stackalloc KvBlock[MaxBlocksAtOnce];
        for (int start = first / Block * Block, count; start < end; start += count * Block)
        {
            count = start < commonStart || start > commonEnd ? 1 : Math.Min(maxBlocks, ((commonEnd - start) / Block) + 1);
            for (int i = 0; i < count; i++)
                blocks[i] = KvBlocks<TSimd, TVector>.Open(job, unit, (start / Block) + i, count, scratch.Part(i));
            if (start >= commonStart && start <= commonEnd)
            {
                Queries(job, blocks, count, new QueryRange(0, unit.NumQueries), Cells.Whole, scratch, state);
                continue;
            }

            // Rows ascend by one position: those that see all 16 are the consecutive rows [fullStart, fullEnd).
            int fullStart = Math.Clamp(start + Block - 1 - unit.FirstPosition, 0, unit.NumRows);
            int fullEnd = window == 0 ? unit.NumRows : Math.Clamp(start + window - unit.FirstPosition, fullStart, unit.NumRows);
            for (int row = 0; row < fullStart; row++) Row(job, unit, start, row, blocks, scratch, state);
            var full = new QueryRange(fullStart * unit.NumHeads, (fullEnd - fullStart) * unit.NumHeads);
            if (full.Count > 0) Queries(job, blocks, 1, full, Cells.Whole, scratch, state);
            for (int row = fullEnd; row < unit.NumRows; row++) Row(job, unit, start, row, blocks, scratch, state);
        }
        state.Finish(unit.NumQueries);
    }

    private static void Row(
        in AttentionJob job, in AttentionUnit unit, int start, int row, KvBlock* block, in UnitScratch scratch, Segment state)
    {
        int position = unit.FirstPosition + row;
        int first = Math.Max(0, AttentionUnit.FirstVisible(position, job.Layout.Window) - start);
        int end = Math.Min(Block, position + 1 - start);
        if (first < end)
            Queries(job, block, 1, new QueryRange(row * unit.NumHeads, unit.NumHeads), new Cells(first, end), scratch, state);
    }

    // Some queries, which all see the same cells of the blocks and no others of them.
    private static void Queries(
        in AttentionJob job, KvBlock* blocks, int numBlocks, QueryRange queries, Cells cells, in UnitScratch scratch, Segment state)
    {
        SegmentProducts<TSimd, TVector>.Scores(job, blocks, numBlocks, queries, scratch);
        BlockSoftmax<TSimd, TVector>.Update(
            scratch.Scores, numBlocks, queries.Count, job.Scale, scratch.IsScaled ? HalfUnit.Value : 1f, cells, state.Max + queries.First,
            state.Denominators + ((nint)queries.First * Lanes.Count), scratch.Factors, scratch.Maxima);
        SegmentProducts<TSimd, TVector>.Sums(job, blocks, numBlocks, queries, cells, scratch, state);
    }

    private static int RoundUp(int position) => (position + Block - 1) / Block * Block;
}
