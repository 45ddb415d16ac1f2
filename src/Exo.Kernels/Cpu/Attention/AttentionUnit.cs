namespace Exo.Kernels.Cpu;

/// <summary>
/// What one thread computes at a time: some rows of one sequence for some query heads that share a KV head. Query (r, h) of the unit is
/// number r * NumHeads + h; blocking changes no bit of a row.
/// </summary>
internal unsafe struct AttentionUnit
{
    /// <summary>First row of the step.</summary>
    public int FirstRow;

    /// <summary>Rows.</summary>
    public int NumRows;

    /// <summary>First local query head.</summary>
    public int FirstHead;

    /// <summary>Query heads.</summary>
    public int NumHeads;

    /// <summary>The cache's KV head that all of them read.</summary>
    public int KvHead;

    /// <summary>Absolute position of the first row.</summary>
    public int FirstPosition;

    /// <summary>Pages of the sequence, from position 0 on.</summary>
    public int* Pages;

    /// <summary>Absolute position of the last row.</summary>
    public readonly int LastPosition => FirstPosition + NumRows - 1;

    /// <summary>Queries.</summary>
    public readonly int NumQueries => NumRows * NumHeads;

    /// <summary>The first segment in which a row sees anything.</summary>
    public readonly int FirstSegment(int window) => FirstVisible(FirstPosition, window) / Segment.Size;

    /// <summary>One past the last segment in which a row sees anything.</summary>
    public readonly int EndSegment => (LastPosition / Segment.Size) + 1;

    /// <summary>First position that the row at <paramref name="position"/> sees.</summary>
    public static int FirstVisible(int position, int window) => window == 0 ? 0 : Math.Max(0, position - window + 1);
}

/// <summary>One call of attention, as all threads see it.</summary>
internal unsafe struct AttentionJob
{
    public float* Query;
    public nint QueryStride;
    public float* Output;
    public nint OutputStride;
    public nint CacheAddress;
    public nint PageBytes;
    public KvLayout Layout;
    public DType Type;
    public float Scale;

    /// <summary>False where a cell may hold a half that is infinite or NaN.</summary>
    public bool IsFinite;

    /// <summary>The units, heaviest first.</summary>
    public AttentionUnit* Units;

    /// <summary>Units that are computed segment by segment: pieces of one segment each, merged afterwards.</summary>
    public int SegmentsPerUnit;

    /// <summary>Sizes of scratch and of the state of a segment.</summary>
    public AttentionSizes Sizes;

    /// <summary>Scratch of worker w at Scratch + w * Sizes.WorkerFloats.</summary>
    public float* Scratch;

    /// <summary>State of segment s of unit u at States + (u * SegmentsPerUnit + s) * Sizes.StateFloats.</summary>
    public float* States;

    /// <summary>Width of a value, rounded up to whole vectors of the widest kind.</summary>
    public readonly int PaddedValueWidth => Sizes.PaddedValueWidth;
}

/// <summary>Sizes in floats of everything that a call keeps outside its inputs and outputs; each a multiple of 16.</summary>
/// <param name="MaxQueries">Queries of the largest unit, rounded up to 16.</param>
/// <param name="KeyWidth">Floats of a key.</param>
/// <param name="PaddedValueWidth">Floats of a value, rounded up to 16.</param>
/// <param name="NumStates">States that a worker needs at once to merge the most segments of a unit.</param>
internal readonly record struct AttentionSizes(int MaxQueries, int KeyWidth, int PaddedValueWidth, int NumStates)
{
    /// <summary>Maximum, 16 lanes of the denominator and the weighted sum of values for each query.</summary>
    public nint StateFloats => (nint)MaxQueries * (1 + Lanes.Count + PaddedValueWidth);

    /// <summary>Blocks of 16 positions that one step takes at most.</summary>
    public const int MaxBlocksAtOnce = 4;

    /// <summary>Packed queries; keys, values, probabilities, factors and maxima of the blocks of a step; the states.</summary>
    public nint WorkerFloats =>
        RoundUp(MaxQueries * KeyWidth) + (NumStates * StateFloats) + Spacing
        + (MaxBlocksAtOnce * (((nint)KvLayout.PageSize * (KeyWidth + PaddedValueWidth + MaxQueries)) + (2 * MaxQueries)));

    // Scratch of two workers never shares a line, nor lies a power of two apart.
    private const int Spacing = 64 + 16;

    /// <summary>The next multiple of 16.</summary>
    public static int RoundUp(int count) => (count + 15) & ~15;
}
