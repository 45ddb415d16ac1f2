namespace Exo.Kernels;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    protected override void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output) => throw new NotSupportedException(nameof(AddNodesCore));

    /// <inheritdoc/>
    protected override void RmsNormCore(Tensor x, Tensor gain, float epsilon, int headDim, Tensor output) => throw new NotSupportedException(nameof(RmsNormCore));

    /// <inheritdoc/>
    protected override void RopeTableCore(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output) => throw new NotSupportedException(nameof(RopeTableCore));

    /// <inheritdoc/>
    protected override void RopeCore(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs) => throw new NotSupportedException(nameof(RopeCore));

    /// <inheritdoc/>
    protected override void AppendKvCore(KvCache cache, StepBatch batch, Tensor keys, Tensor values) => throw new NotSupportedException(nameof(AppendKvCore));

    /// <inheritdoc/>
    protected override void AttentionCore(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape, Tensor output) => throw new NotSupportedException(nameof(AttentionCore));

    /// <inheritdoc/>
    protected override void SiluMulCore(Tensor gateUp, Tensor output) => throw new NotSupportedException(nameof(SiluMulCore));

    /// <inheritdoc/>
    protected override void AddCore(Tensor a, Tensor b) => throw new NotSupportedException(nameof(AddCore));

    /// <inheritdoc/>
    protected override void AddRowCore(Tensor a, Tensor b) => throw new NotSupportedException(nameof(AddRowCore));

    /// <inheritdoc/>
    protected override void SelectRowsCore(Tensor x, ReadOnlySpan<int> rows, Tensor output) => throw new NotSupportedException(nameof(SelectRowsCore));

    /// <inheritdoc/>
    protected override void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing) => throw new NotSupportedException(nameof(RouteCore));

    /// <inheritdoc/>
    protected override void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present) => throw new NotSupportedException(nameof(ExpertMlpCore));
}
