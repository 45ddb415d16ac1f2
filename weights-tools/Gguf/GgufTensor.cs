namespace Exo.WeightsTools.Gguf;

/// <summary>A tensor's entry: sizes innermost first (as the file has them), and where its bytes lie.</summary>
public sealed record GgufTensor(string Name, GgmlType Type, IReadOnlyList<long> Sizes, long FileOffset, long ByteLength)
{
    /// <summary>Elements of one row.</summary>
    public long Columns => Sizes[0];

    /// <summary>All leading dimensions together.</summary>
    public long Rows => Sizes.Skip(1).Aggregate(1L, (a, b) => a * b);

    /// <summary>Bytes of one row.</summary>
    public int RowBytes => checked((int)(Columns / Type.Block().Elements * Type.Block().Bytes));

    /// <summary>Sizes outermost first, as checkpoints have them.</summary>
    public long[] Shape => [.. Sizes.Reverse()];
}
