namespace Exo.Kernels;

/// <summary>
/// A matrix as the reference holds it: row-major, each part either as float32 values or, for affine parts multiplied by int8
/// activations, as recentred q with the scale and recentred bias of each weight group.
/// </summary>
public sealed class ReferenceWeight : Weight
{
    private readonly Part[] _parts;

    /// <summary>Copies the parts' wanted columns.</summary>
    internal ReferenceWeight(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves, int numRows)
        : base(numRows, parts[0].NumColumns, parts[0].StartColumn, leaves)
    {
        _parts = new Part[parts.Length];
        int firstRow = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            _parts[i] = Copy(parts[i], activations, firstRow);
            firstRow += parts[i].NumRows;
        }
        IsInteger = Array.Exists(_parts, part => part.Centred is not null);
    }

    /// <inheritdoc/>
    public override nint PackedBytes => (nint)NumRows * NumColumns * sizeof(float);

    /// <summary>True where some part multiplies int8 activations.</summary>
    public bool IsInteger { get; }

    /// <summary>One past the last stored column held.</summary>
    public int EndColumn => StartColumn + NumColumns;

    /// <summary>The element as embeddings read it: fma(q', scale, bias') on the integer path, the float32 value otherwise.</summary>
    public float Value(int row, int column)
    {
        Part part = PartOf(row);
        int index = ((row - part.FirstRow) * NumColumns) + column;
        if (part.Centred is null) return part.Values![index];
        (float scale, float bias) = Group(part, row, StartColumn + column);
        return MathF.FusedMultiplyAdd(part.Centred[index], scale, bias);
    }

    /// <summary>What is added to an output after its dot product; null where nothing is.</summary>
    public float? RowBias(int row)
    {
        Part part = PartOf(row);
        return part.RowBias?[row - part.FirstRow];
    }

    /// <summary>
    /// The dot product of one leaf, stored columns [start, end). <paramref name="x"/> is the whole activation row, its element 0 at
    /// StartColumn; <paramref name="rounded"/> the same row as int8, needed where <see cref="IsInteger"/>.
    /// </summary>
    public float DotLeaf(int row, ReadOnlySpan<float> x, Int8Row? rounded, int start, int end)
    {
        Part part = PartOf(row);
        int first = (row - part.FirstRow) * NumColumns;
        float sum = 0f;
        if (part.Centred is null)
        {
            for (int k = start - StartColumn; k < end - StartColumn; k++)
                sum = MathF.FusedMultiplyAdd(x[k], part.Values![first + k], sum);
            return sum;
        }
        foreach (Int8Row.Block block in rounded!.Blocks)
        {
            if (block.Start < start || block.Start >= end) continue;
            int dot = 0;
            for (int k = block.Start - StartColumn; k < block.End - StartColumn; k++) dot += rounded.Values[k] * part.Centred[first + k];
            (float scale, float bias) = Group(part, row, block.Start);
            sum = MathF.FusedMultiplyAdd(block.Scale * scale, dot, sum);
            sum = MathF.FusedMultiplyAdd(block.Scale * bias, block.Sum, sum);
        }
        return sum;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        // Managed memory only.
    }

    private Part PartOf(int row)
    {
        int i = _parts.Length - 1;
        while (_parts[i].FirstRow > row) i--;
        return _parts[i];
    }

    private static (float Scale, float Bias) Group(Part part, int row, int column)
    {
        int index = ((row - part.FirstRow) * part.GroupsPerRow) + (column / part.GroupSize);
        return (part.Scales![index], part.Biases![index]);
    }

    private static Part Copy(in WeightSource source, ActivationFormat activations, int firstRow)
    {
        var part = new Part { FirstRow = firstRow, RowBias = source.RowBias is { } bias ? [.. bias] : null };
        bool isInteger = source.Format.IsAffine() && activations == ActivationFormat.Int8;
        if (isInteger) CopyGroups(source, part);
        if (isInteger) part.Centred = new sbyte[source.NumRows * source.NumColumns];
        else part.Values = new float[source.NumRows * source.NumColumns];
        for (int row = 0, i = 0; row < source.NumRows; row++)
        {
            for (int column = source.StartColumn; column < source.EndColumn; column++, i++)
            {
                if (isInteger) part.Centred![i] = (sbyte)WeightElements.CentredQuantum(source, row, column);
                else part.Values![i] = WeightElements.Value(source, row, column);
            }
        }
        return part;
    }

    private static void CopyGroups(in WeightSource source, Part part)
    {
        part.GroupSize = source.GroupSize;
        part.GroupsPerRow = source.RowLength / source.GroupSize;
        part.Scales = new float[source.NumRows * part.GroupsPerRow];
        part.Biases = new float[source.NumRows * part.GroupsPerRow];
        for (int row = 0; row < source.NumRows; row++)
        {
            for (int group = 0; group < part.GroupsPerRow; group++)
            {
                int index = (row * part.GroupsPerRow) + group;
                part.Scales[index] = WeightElements.Scale(source, row, group * source.GroupSize);
                part.Biases[index] = WeightElements.CentredBias(source, row, group * source.GroupSize);
            }
        }
    }

    // Rows of one source. Scales and Biases: [rows, GroupsPerRow], groups counted from stored column 0.
    private sealed class Part
    {
        public required int FirstRow { get; init; }
        public required float[]? RowBias { get; init; }
        public float[]? Values { get; set; }
        public sbyte[]? Centred { get; set; }
        public float[]? Scales { get; set; }
        public float[]? Biases { get; set; }
        public int GroupSize { get; set; }
        public int GroupsPerRow { get; set; }
    }
}
