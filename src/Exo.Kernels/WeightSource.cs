namespace Exo.Kernels;

/// <summary>What a weight's elements are read from.</summary>
public enum SourceMemory
{
    /// <summary>Memory that holds the only copy.</summary>
    Host,

    /// <summary>A read-only mapping of a file: a device may drop the pages that it has read, they come back from the file.</summary>
    MappedFile,
}

/// <summary>
/// Where the elements of a weight lie in host memory, usually inside a mapped file: <see cref="NumRows"/> rows (outputs) of
/// <see cref="RowLength"/> stored elements each, of which the columns [<see cref="StartColumn"/>, <see cref="EndColumn"/>) are wanted.
/// A view: the memory must stay readable until <c>Device.Load</c> returns, no longer.
/// </summary>
public readonly record struct WeightSource
{
    /// <summary>How the elements are stored.</summary>
    public required WeightFormat Format { get; init; }

    /// <summary>Address of row 0: elements in row-major order, each row RowLength * bits / 8 bytes.</summary>
    public required nint Address { get; init; }

    /// <summary>What <see cref="Address"/>, <see cref="Scales"/> and <see cref="Biases"/> point into.</summary>
    public SourceMemory Memory { get; init; }

    /// <summary>Outputs.</summary>
    public required int NumRows { get; init; }

    /// <summary>Elements of a stored row; a multiple of the group size for affine formats.</summary>
    public required int RowLength { get; init; }

    /// <summary>First wanted column. Blocks of int8 activations and weight groups are counted from column 0 of the stored row.</summary>
    public int StartColumn { get; init; }

    /// <summary>One past the last wanted column.</summary>
    public required int EndColumn { get; init; }

    /// <summary>Affine formats: address of the scales, [NumRows, RowLength / GroupSize].</summary>
    public nint Scales { get; init; }

    /// <summary>Affine formats: address of the biases, [NumRows, RowLength / GroupSize].</summary>
    public nint Biases { get; init; }

    /// <summary>Type of scales and biases.</summary>
    public DType ScaleType { get; init; }

    /// <summary>Columns that share a scale and a bias: 32, 64 or 128.</summary>
    public int GroupSize { get; init; }

    /// <summary>Added to each output, [NumRows], or null. Column-parallel weights only: a row-parallel linear adds its bias after the reduction.</summary>
    public float[]? RowBias { get; init; }

    /// <summary>Wanted columns.</summary>
    public int NumColumns => EndColumn - StartColumn;

    /// <summary>Bytes of a stored row's elements.</summary>
    public nint RowBytes => (nint)RowLength * Format.Bits() / 8;

    /// <summary>The rows [start, end) of this source.</summary>
    public WeightSource Rows(int start, int end)
    {
        if ((uint)start > (uint)end || end > NumRows) throw new ShapeException($"rows [{start}, {end}) of a weight with {NumRows} rows");
        nint groupBytes = Format.IsAffine() ? (nint)(RowLength / GroupSize) * ScaleType.Bytes() : 0;
        return this with
        {
            Address = Address + (start * RowBytes),
            Scales = Scales + (start * groupBytes),
            Biases = Biases + (start * groupBytes),
            NumRows = end - start,
            RowBias = RowBias?[start..end],
        };
    }

    /// <summary>The stored columns [start, end) of this source.</summary>
    public WeightSource Columns(int start, int end)
    {
        if (start < 0 || start > end || end > RowLength)
            throw new ShapeException($"columns [{start}, {end}) of a weight with {RowLength} columns");
        return this with { StartColumn = start, EndColumn = end };
    }

    internal void Check()
    {
        if (Address == 0 && NumRows > 0) throw new ShapeException("a weight source without memory");
        if (NumRows < 0 || StartColumn < 0 || EndColumn < StartColumn || EndColumn > RowLength)
            throw new ShapeException($"columns [{StartColumn}, {EndColumn}) of [{NumRows}, {RowLength}]");
        if (RowBias is not null && RowBias.Length != NumRows)
            throw new ShapeException($"a row bias of {RowBias.Length} for {NumRows} rows");
        if (!Format.IsAffine()) return;
        if (GroupSize is not (32 or 64 or 128)) throw new ShapeException($"group size {GroupSize}: expected 32, 64 or 128");
        if (RowLength % GroupSize != 0) throw new ShapeException($"{RowLength} columns are no multiple of the group size {GroupSize}");
        if (Scales == 0 || Biases == 0) throw new ShapeException("an affine weight without scales or biases");
    }
}
