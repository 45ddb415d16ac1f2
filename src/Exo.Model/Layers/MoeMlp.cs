using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Layers;

/// <summary>
/// A mixture of experts: a float32 router ("gate"), gated MLPs ("experts.N", or MLX's stacked "switch_mlp") of which each token passes a
/// few, and optionally an MLP that all pass ("shared_experts"). Ranks split either the leaves of every expert or the experts; the bits
/// are the same.
/// </summary>
public sealed class MoeMlp : MlpModule
{
    private readonly Device _device;
    private readonly ProcessGroup _group;
    private readonly ColumnParallelLinear _router;
    private readonly RouterOptions _options;
    private readonly Tensor? _correctionBias;
    private readonly ExpertBank _bank;
    private readonly Reduction _reduction;

    /// <summary>Reads "mlp" of a layer.</summary>
    public MoeMlp(ModelContext context, WeightScope weights, RouterOptions options)
    {
        MoeConfig moe = context.Config.Moe!;
        (_device, _group, _options) = (context.Device, context.Shard.TensorGroup, options);
        _router = new ColumnParallelLinear(
            context, ActivationFormat.Float32, weights.Matrix("gate", moe.NumExperts, context.Config.HiddenSize));
        if (weights.Has("gate.e_score_correction_bias"))
            _correctionBias = _device.LoadVector(weights.Vector("gate.e_score_correction_bias", moe.NumExperts));
        var loader = new ExpertLoader(context, weights, moe);
        _bank = loader.Load();
        _reduction = loader.Reduction;
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x)
    {
        Routing routing = _device.Route(_router.Forward(x), _options, _correctionBias);
        return _group.AllReduce(_device, _reduction, _device.ExpertMlp(x, routing, _bank));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _router.Dispose();
        foreach (Weight weight in _bank.GateUp) weight.Dispose();
        foreach (Weight weight in _bank.Down) weight.Dispose();
        _bank.SharedGateUp?.Dispose();
        _bank.SharedDown?.Dispose();
    }
}
