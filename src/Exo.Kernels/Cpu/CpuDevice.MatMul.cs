namespace Exo.Kernels;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    protected override Weight LoadCore(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves) =>
        throw new NotSupportedException(nameof(LoadCore));

    /// <inheritdoc/>
    protected override void EmbedCore(Weight table, int firstId, ReadOnlySpan<int> ids, Tensor output, nint present) => throw new NotSupportedException(nameof(EmbedCore));

    /// <inheritdoc/>
    protected override void MatMulCore(Tensor x, Weight weight, Tensor output) => throw new NotSupportedException(nameof(MatMulCore));

    /// <inheritdoc/>
    protected override void MatMulPartialCore(Tensor x, Weight weight, Tensor output) => throw new NotSupportedException(nameof(MatMulPartialCore));

    /// <summary>
    /// Many products in one parallel region (the experts of a layer, say): activations are quantized once where neighbouring tasks share
    /// them. Allocates nothing. Not to be called from inside a region.
    /// </summary>
    internal void MatMuls(ReadOnlySpan<MatMulTask> tasks) => throw new NotSupportedException(nameof(MatMuls));
}
