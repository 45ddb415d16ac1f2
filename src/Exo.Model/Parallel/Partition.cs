namespace Exo.Model.Parallel;

/// <summary>A half-open range.</summary>
public readonly record struct Slice(int Start, int End)
{
    /// <summary>Elements.</summary>
    public int Count => End - Start;

    /// <summary>True for [n, n).</summary>
    public bool IsEmpty => Start == End;
}

/// <summary>
/// How much of everything each rank of a tensor group holds: all split arithmetic is here. Ratios may be uneven ("5:3:1"); a rank may
/// get nothing of a dimension that has fewer leaves than there are ranks.
/// </summary>
public sealed class Partition
{
    /// <summary>Tensor ranks, at most: the most leaves there are.</summary>
    public const int MaxRanks = LeafCuts.MaxLeaves;

    private readonly int[] _cumulative;

    /// <summary>Ranks in proportion to <paramref name="ratios"/>.</summary>
    public Partition(params ReadOnlySpan<int> ratios)
    {
        if (ratios.Length is < 1 or > MaxRanks) throw new ModelException($"{ratios.Length} tensor ranks: expected 1 to {MaxRanks}");
        _cumulative = new int[ratios.Length + 1];
        for (int i = 0; i < ratios.Length; i++)
        {
            if (ratios[i] is < 1 or > 1_000_000) throw new ModelException($"ratio {ratios[i]} of rank {i}: expected 1 to 1000000");
            _cumulative[i + 1] = _cumulative[i] + ratios[i];
        }
    }

    /// <summary>Ranks.</summary>
    public int WorldSize => _cumulative.Length - 1;

    /// <summary>One rank that holds everything.</summary>
    public static Partition Whole { get; } = new(1);

    /// <summary>Equal ranks.</summary>
    public static Partition Even(int worldSize) => new([.. Enumerable.Repeat(1, worldSize)]);

    /// <summary>The part of <paramref name="count"/> indivisible things (leaves, experts, vocabulary rows) that a rank holds.</summary>
    public Slice Of(int count, int rank) => new(Cut(count, rank), Cut(count, rank + 1));

    /// <summary>
    /// Layers of a pipeline stage, in proportion to the same ratios; every stage needs one.
    /// </summary>
    public Slice Layers(int numLayers, int stage)
    {
        if (numLayers < WorldSize) throw new ModelException($"{WorldSize} pipeline stages for {numLayers} layers: a stage needs at least one");
        return new Slice(LayerCut(numLayers, stage), LayerCut(numLayers, stage + 1));
    }

    private int Cut(int count, int rank)
    {
        long total = _cumulative[^1];
        return (int)((((long)count * _cumulative[rank]) + total - 1) / total);
    }

    private int LayerCut(int numLayers, int stage)
    {
        int cut = (int)Math.Round((double)numLayers * _cumulative[stage] / _cumulative[^1], MidpointRounding.AwayFromZero);
        return Math.Clamp(cut, stage, numLayers - (WorldSize - stage));
    }
}
