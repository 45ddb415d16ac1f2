using Exo.Kernels;
using Exo.Model.Parallel;

namespace Exo.Model.Layers;

/// <summary>
/// Splits outputs over the ranks of a tensor group (Megatron's column-parallel linear): the given rows are this rank's own, nothing is
/// communicated. Several matrices of the same input are one product.
/// </summary>
public sealed class ColumnParallelLinear : IDisposable
{
    private readonly Device _device;
    private readonly Weight _weight;

    /// <summary>Matrices whose activations may be rounded where the model's arithmetic says so.</summary>
    public ColumnParallelLinear(ModelContext context, params ReadOnlySpan<WeightSource> parts)
        : this(context, context.Arithmetic.Activations, parts)
    {
    }

    /// <summary>Matrices with this activation format: a router's is never rounded.</summary>
    public ColumnParallelLinear(ModelContext context, ActivationFormat activations, params ReadOnlySpan<WeightSource> parts)
    {
        _device = context.Device;
        _weight = _device.Load(parts, activations);
    }

    /// <summary>x: [tokens, inputs] -> [tokens, local outputs].</summary>
    public Tensor Forward(Tensor x) => _device.MatMul(x, _weight);

    /// <inheritdoc/>
    public void Dispose() => _weight.Dispose();
}

/// <summary>
/// Splits inputs over the ranks of a tensor group at leaf bounds (Megatron's row-parallel linear) and adds the partial sums up in tree
/// order: the same bits on every rank, however it is split.
/// </summary>
public sealed class RowParallelLinear : IDisposable
{
    private readonly Device _device;
    private readonly ProcessGroup _group;
    private readonly Reduction _reduction;
    private readonly Weight _weight;
    private readonly Tensor? _bias;

    /// <summary>The whole matrix and the columns at which its leaves begin, [numLeaves + 1]; this rank loads its own leaves.</summary>
    public RowParallelLinear(ModelContext context, WeightSource source, int[] leafBounds)
    {
        int numLeaves = leafBounds.Length - 1;
        _device = context.Device;
        _group = context.Shard.TensorGroup;
        _reduction = Reduction.OfLeaves(context.Shard.Tensor, numLeaves);
        _weight = LoadLeaves(context, source with { RowBias = null }, leafBounds, context.Shard.Own(numLeaves));
        _bias = source.RowBias is { } bias ? _device.LoadVector(bias) : null;
    }

    /// <summary>Loads the given leaves of a matrix.</summary>
    public static Weight LoadLeaves(ModelContext context, WeightSource source, int[] leafBounds, Slice own)
    {
        int[] bounds = leafBounds[own.Start..(own.End + 1)];
        var leaves = new Leaves(leafBounds.Length - 1, own.Start, bounds);
        return context.Device.Load([source.Columns(bounds[0], bounds[^1])], context.Arithmetic.Activations, leaves);
    }

    /// <summary>x: [tokens, local inputs] -> [tokens, outputs].</summary>
    public Tensor Forward(Tensor x)
    {
        Tensor sum = _group.AllReduceMatMul(_device, _reduction, x, _weight);
        if (_bias is { } bias) _device.AddRow(sum, bias);
        return sum;
    }

    /// <inheritdoc/>
    public void Dispose() => _weight.Dispose();
}
