namespace Exo.Kernels;

public sealed partial class CpuDevice
{
    /// <inheritdoc/>
    protected override void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing) => throw new NotSupportedException(nameof(RouteCore));

    /// <inheritdoc/>
    protected override void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present) => throw new NotSupportedException(nameof(ExpertMlpCore));
}
