namespace Exo.Model.Parallel;

/// <summary>How the routed experts of a layer are split inside a tensor group.</summary>
public enum ExpertSplit
{
    /// <summary>Every rank holds its leaves of every expert.</summary>
    Leaves,

    /// <summary>Every rank holds some experts whole (expert parallelism).</summary>
    Experts,
}

/// <summary>
/// What one rank holds of a model: its place in a tensor group (leaves, experts, vocabulary) and in a pipeline (layers). All ranks of
/// a stage hold the residual stream; rank t of a stage sends it to rank t of the next.
/// </summary>
public sealed class Shard
{
    /// <summary>A rank of a stage of a pipeline.</summary>
    public Shard(ProcessGroup tensorGroup, Partition tensor, ProcessGroup pipelineGroup, Partition pipeline, ExpertSplit expertSplit = ExpertSplit.Leaves)
    {
        if (tensorGroup.WorldSize != tensor.WorldSize) throw new ModelException($"a tensor group of {tensorGroup.WorldSize} for {tensor.WorldSize} parts");
        if (pipelineGroup.WorldSize != pipeline.WorldSize)
            throw new ModelException($"a pipeline of {pipelineGroup.WorldSize} for {pipeline.WorldSize} stages");
        TensorGroup = tensorGroup;
        Tensor = tensor;
        PipelineGroup = pipelineGroup;
        Pipeline = pipeline;
        ExpertSplit = expertSplit;
    }

    /// <summary>The whole model on one rank.</summary>
    public static Shard Whole { get; } = new(new Solo(), Partition.Whole, new Solo(), Partition.Whole);

    /// <summary>Ranks that share the layers of this stage.</summary>
    public ProcessGroup TensorGroup { get; }

    /// <summary>What each of them holds.</summary>
    public Partition Tensor { get; }

    /// <summary>The same tensor rank of every stage.</summary>
    public ProcessGroup PipelineGroup { get; }

    /// <summary>Layers of each stage.</summary>
    public Partition Pipeline { get; }

    /// <summary>How experts are split.</summary>
    public ExpertSplit ExpertSplit { get; }

    /// <summary>Rank in the tensor group.</summary>
    public int TensorRank => TensorGroup.Rank;

    /// <summary>This stage.</summary>
    public int Stage => PipelineGroup.Rank;

    /// <summary>True for the stage that embeds.</summary>
    public bool IsFirstStage => Stage == 0;

    /// <summary>True for the stage that owns the head and samples.</summary>
    public bool IsLastStage => Stage == PipelineGroup.WorldSize - 1;

    /// <summary>Of <paramref name="count"/> leaves, experts or rows, those of this rank.</summary>
    public Slice Own(int count) => Tensor.Of(count, TensorRank);
}
