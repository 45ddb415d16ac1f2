namespace Exo.Kernels;

/// <summary>
/// Which rows of a step belong to which sequence and where their keys and values lie: the host-side description that Rope, AppendKv
/// and Attention share. Reused from step to step; its arrays only grow.
/// </summary>
public sealed class StepBatch
{
    private int[] _positions = new int[16];
    private int[] _rowStarts = new int[5];
    private int[] _pageStarts = new int[5];
    private int[] _pages = new int[64];

    /// <summary>Rows (tokens) of the step.</summary>
    public int NumRows { get; private set; }

    /// <summary>Sequences of the step.</summary>
    public int NumSequences { get; private set; }

    /// <summary>Absolute position of each row: [NumRows]. Rows of a sequence are consecutive and ascend by one.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, NumRows);

    /// <summary>Sequence s has the rows [RowStarts[s], RowStarts[s + 1]).</summary>
    public ReadOnlySpan<int> RowStarts => _rowStarts.AsSpan(0, NumSequences + 1);

    /// <summary>Position p of sequence s lies in page Pages(s)[p / 16], cell p % 16.</summary>
    public ReadOnlySpan<int> Pages(int sequence) =>
        _pages.AsSpan(_pageStarts[sequence], _pageStarts[sequence + 1] - _pageStarts[sequence]);

    /// <summary>Empties the batch for the next step.</summary>
    public void Clear()
    {
        NumRows = 0;
        NumSequences = 0;
    }

    /// <summary>Adds a sequence: <paramref name="numRows"/> new rows from <paramref name="firstPosition"/>, its pages from position 0 on.</summary>
    public void AddSequence(int firstPosition, int numRows, ReadOnlySpan<int> pages)
    {
        if (firstPosition < 0 || numRows <= 0) throw new ShapeException($"{numRows} rows from position {firstPosition}");
        if ((long)pages.Length * KvLayout.PageSize < (long)firstPosition + numRows)
            throw new ShapeException($"{pages.Length} pages for {(long)firstPosition + numRows} positions");
        int pageStart = _pageStarts[NumSequences];
        Reserve(ref _positions, NumRows + numRows);
        Reserve(ref _rowStarts, NumSequences + 2);
        Reserve(ref _pageStarts, NumSequences + 2);
        Reserve(ref _pages, pageStart + pages.Length);
        for (int i = 0; i < numRows; i++) _positions[NumRows + i] = firstPosition + i;
        pages.CopyTo(_pages.AsSpan(pageStart));
        NumRows += numRows;
        NumSequences++;
        _rowStarts[NumSequences] = NumRows;
        _pageStarts[NumSequences] = pageStart + pages.Length;
    }

    private static void Reserve(ref int[] array, int length)
    {
        if (array.Length < length) Array.Resize(ref array, Math.Max(length, array.Length * 2));
    }
}
