using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Exo.Kernels.Cpu;

/// <summary>How a call is cut into units: by sequence, KV head, heads of the group and rows. No choice changes a bit.</summary>
internal readonly unsafe struct AttentionPlan
{
    // Queries of a unit: enough to pay for converting a block, few enough that queries and sums stay in the second cache level.
    private const int MaxQueriesPerUnit = 48;

    // Fewer heads than this share the loading of a block badly: a group is not cut further to occupy more threads.
    private const int MinHeadsPerUnit = 4;
    private const int PiecesPerThread = 2;
    private const int UnitsPerThread = 4;

    private readonly int _headsPerUnit;
    private readonly int _rowsPerUnit;

    private AttentionPlan(StepBatch batch, AttentionShape shape, int headsPerUnit)
    {
        _headsPerUnit = headsPerUnit;
        _rowsPerUnit = Math.Max(1, MaxQueriesPerUnit / headsPerUnit);
        int headUnits = 0, longestRun = 0;
        for (int head = 0, end; head < shape.NumHeads; head = end)
        {
            end = EndOfRun(shape, head);
            headUnits += CeilDiv(end - head, headsPerUnit);
            longestRun = Math.Max(longestRun, Math.Min(end - head, headsPerUnit));
        }
        for (int s = 0; s < batch.NumSequences; s++)
        {
            int numRows = batch.RowStarts[s + 1] - batch.RowStarts[s];
            NumUnits += headUnits * CeilDiv(numRows, _rowsPerUnit);
            MaxQueries = Math.Max(MaxQueries, longestRun * Math.Min(numRows, _rowsPerUnit));
            MaxSegments = Math.Max(MaxSegments, (batch.Positions[batch.RowStarts[s + 1] - 1] / Segment.Size) + 1);
        }
    }

    /// <summary>Units.</summary>
    public int NumUnits { get; }

    /// <summary>Queries of the largest unit.</summary>
    public int MaxQueries { get; }

    /// <summary>Segments of the longest sequence.</summary>
    public int MaxSegments { get; }

    /// <summary>Whole groups where they occupy the threads, parts of them where they do not.</summary>
    public static AttentionPlan Make(StepBatch batch, AttentionShape shape, int numThreads)
    {
        int group = Math.Min(Math.Min(shape.GroupSize, shape.NumHeads), MaxQueriesPerUnit);
        var plan = new AttentionPlan(batch, shape, group);
        int pieces = plan.NumUnits * plan.MaxSegments, wanted = PiecesPerThread * numThreads;
        if (numThreads == 1 || pieces >= wanted || group <= MinHeadsPerUnit) return plan;
        return new AttentionPlan(batch, shape, Math.Max(MinHeadsPerUnit, CeilDiv(group, CeilDiv(wanted, pieces))));
    }

    /// <summary>True where the segments of a unit should be pieces of their own.</summary>
    public bool SplitsSegments(int numThreads) => numThreads > 1 && MaxSegments > 1 && NumUnits < UnitsPerThread * numThreads;

    /// <summary>
    /// Writes the units, of each sequence the last rows first: they see the most. The batch's pages must stay pinned while units are used.
    /// </summary>
    public void Fill(StepBatch batch, AttentionShape shape, AttentionUnit* units)
    {
        for (int s = 0; s < batch.NumSequences; s++)
        {
            int firstRow = batch.RowStarts[s], numRows = batch.RowStarts[s + 1] - firstRow;
            var pages = (int*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(batch.Pages(s)));
            for (int tile = CeilDiv(numRows, _rowsPerUnit) - 1; tile >= 0; tile--)
            {
                int row = tile * _rowsPerUnit;
                for (int head = 0, end, runEnd = 0; head < shape.NumHeads; head = end)
                {
                    if (head >= runEnd) runEnd = EndOfRun(shape, head);
                    end = Math.Min(head + _headsPerUnit, runEnd);
                    *units++ = new AttentionUnit
                    {
                        FirstRow = firstRow + row,
                        NumRows = Math.Min(_rowsPerUnit, numRows - row),
                        FirstHead = head,
                        NumHeads = end - head,
                        KvHead = shape.KvHead(head),
                        FirstPosition = batch.Positions[firstRow] + row,
                        Pages = pages,
                    };
                }
            }
        }
    }

    // Local heads from `head` on that read the same KV head.
    private static int EndOfRun(AttentionShape shape, int head)
    {
        int inGroup = (shape.FirstHead + head) % shape.GroupSize;
        return Math.Min(shape.NumHeads, head + shape.GroupSize - inGroup);
    }

    private static int CeilDiv(int a, int b) => (a + b - 1) / b;
}
