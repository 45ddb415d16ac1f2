using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Layers;

/// <summary>down(silu(gate(x)) * up(x)): "{gate,up,down}_proj".</summary>
public sealed class GatedMlp : MlpModule
{
    private readonly Device _device;
    private readonly ColumnParallelLinear _gateUp;
    private readonly RowParallelLinear _down;

    /// <summary>Reads "mlp" of a layer.</summary>
    public GatedMlp(ModelContext context, WeightScope weights, int intermediateSize)
    {
        _device = context.Device;
        int hidden = context.Config.HiddenSize;
        int[] bounds = LeafCuts.Mlp(intermediateSize);
        Slice own = context.Shard.Own(bounds.Length - 1);
        WeightSource Own(string name) => weights.MatrixWithBias(name, intermediateSize, hidden).Rows(bounds[own.Start], bounds[own.End]);
        _gateUp = new ColumnParallelLinear(context, Own("gate_proj"), Own("up_proj"));
        _down = new RowParallelLinear(context, weights.MatrixWithBias("down_proj", hidden, intermediateSize), bounds);
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => _down.Forward(_device.SiluMul(_gateUp.Forward(x)));

    /// <inheritdoc/>
    public override void Dispose()
    {
        _gateUp.Dispose();
        _down.Dispose();
    }
}
