using System.Globalization;
using Exo.Model.Parallel;

namespace Exo.Net.Cluster;

/// <summary>
/// Which rank holds what: tensor ranks times pipeline stages, rank = stage * tensorRanks + tensorRank. Written
/// <c>tensor</c>, <c>pipeline</c>, <c>2x3</c> (tensor ranks x stages), each with ratios if the parts are uneven: <c>tensor:5:3:1</c>.
/// </summary>
public sealed class SplitLayout
{
    /// <summary>Ranks of a plan, at most.</summary>
    public const int MaxRanks = 256;

    /// <summary>Ratios of the tensor ranks and of the stages, as <see cref="Partition"/> takes them.</summary>
    public SplitLayout(IReadOnlyList<int> tensorRatios, IReadOnlyList<int> stageRatios)
    {
        (TensorRatios, StageRatios) = (tensorRatios, stageRatios);
        (Tensor, Pipeline) = (new Partition([.. tensorRatios]), new Partition([.. stageRatios]));
        if (WorldSize > MaxRanks)
            throw new ClusterException($"{WorldSize} ranks: expected at most {MaxRanks}");
    }

    /// <summary>What each tensor rank holds of a layer, in proportion.</summary>
    public IReadOnlyList<int> TensorRatios { get; }

    /// <summary>How many of the layers each stage holds, in proportion.</summary>
    public IReadOnlyList<int> StageRatios { get; }

    /// <summary>Parts of a layer.</summary>
    public Partition Tensor { get; }

    /// <summary>Parts of the layers' row.</summary>
    public Partition Pipeline { get; }

    /// <summary>Ranks.</summary>
    public int WorldSize => Tensor.WorldSize * Pipeline.WorldSize;

    /// <summary>The rank whose results are the model's: the first tensor rank of the last stage.</summary>
    public int ResultRank => RankOf(Pipeline.WorldSize - 1, 0);

    /// <summary>Rank at a place.</summary>
    public int RankOf(int stage, int tensorRank) => (stage * Tensor.WorldSize) + tensorRank;

    /// <summary>Stage of a rank.</summary>
    public int StageOf(int rank) => rank / Tensor.WorldSize;

    /// <summary>Place of a rank in its tensor group.</summary>
    public int TensorRankOf(int rank) => rank % Tensor.WorldSize;

    /// <summary>Ranks that share the layers of this rank's stage, in the order of their tensor ranks.</summary>
    public int[] TensorGroupOf(int rank) => [.. Enumerable.Range(0, Tensor.WorldSize).Select(t => RankOf(StageOf(rank), t))];

    /// <summary>The same tensor rank of every stage.</summary>
    public int[] PipelineGroupOf(int rank) => [.. Enumerable.Range(0, Pipeline.WorldSize).Select(s => RankOf(s, TensorRankOf(rank)))];

    /// <summary>Reads a split for so many nodes.</summary>
    /// <exception cref="ClusterException">Not a split, or one for another number of nodes.</exception>
    public static SplitLayout Parse(string text, int numNodes)
    {
        if (numNodes is < 1 or > MaxRanks)
            throw new ClusterException($"{numNodes} nodes: expected 1 to {MaxRanks}");
        string[] parts = text.Split(':');
        var layout = parts[0] switch
        {
            "tensor" => new SplitLayout(Ratios(parts, numNodes, text), [1]),
            "pipeline" => new SplitLayout([1], Ratios(parts, numNodes, text)),
            _ when parts.Length == 1 && TryGrid(text) is { } grid => grid,
            _ => throw new ClusterException($"split '{text}': expected tensor, pipeline, TxP (2x2), or ratios as in tensor:5:3:1"),
        };
        return layout.WorldSize == numNodes
            ? layout
            : throw new ClusterException($"split '{text}': it is for {layout.WorldSize} nodes, and there are {numNodes}");
    }

    /// <inheritdoc/>
    public override string ToString() => (Tensor.WorldSize, Pipeline.WorldSize) switch
    {
        (_, 1) => $"tensor:{string.Join(':', TensorRatios)}",
        (1, _) => $"pipeline:{string.Join(':', StageRatios)}",
        _ => $"{Tensor.WorldSize}x{Pipeline.WorldSize}",
    };

    private static int[] Ratios(string[] parts, int numNodes, string text) => parts.Length == 1
        ? [.. Enumerable.Repeat(1, numNodes)]
        : [.. parts[1..].Select(part => TryNumber(part) ?? throw new ClusterException($"split '{text}': '{part}' is no ratio"))];

    private static SplitLayout? TryGrid(string text)
    {
        string[] sides = text.Split('x');
        if (sides.Length != 2 || TryNumber(sides[0]) is not { } tensorRanks || TryNumber(sides[1]) is not { } stages)
            return null;
        if (tensorRanks > Partition.MaxRanks || stages > Partition.MaxRanks)
            throw new ClusterException($"split '{text}': expected at most {Partition.MaxRanks} on a side");
        return new SplitLayout([.. Enumerable.Repeat(1, tensorRanks)], [.. Enumerable.Repeat(1, stages)]);
    }

    private static int? TryNumber(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture,
            out int number) && number is > 0 and <= 1_000_000 ? number : null;
}
