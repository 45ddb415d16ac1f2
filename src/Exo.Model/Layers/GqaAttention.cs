using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Layers;

/// <summary>
/// Grouped-query attention ("self_attn.{q,k,v,o}_proj"), optional biases, and optional norms on each head of q and k. Under tensor
/// parallelism a rank owns whole query heads; a KV head whose group spans ranks is held by each of them.
/// </summary>
public sealed class GqaAttention : AttentionModule
{
    private readonly Device _device;
    private readonly Rope _rope;
    private readonly ColumnParallelLinear _qkv;
    private readonly RowParallelLinear _output;
    private readonly RmsNorm? _queryNorm;
    private readonly RmsNorm? _keyNorm;
    private readonly AttentionShape _shape;
    private readonly int _headDim;

    /// <summary>Reads "self_attn" of a layer; norms are used where the checkpoint has them.</summary>
    public GqaAttention(ModelContext context, WeightScope weights, Rope rope)
    {
        ModelConfig config = context.Config;
        int numHeads = config.NumAttentionHeads, numKvHeads = config.NumKeyValueHeads, hidden = config.HiddenSize;
        int groupSize = numHeads / numKvHeads;
        (_device, _rope, _headDim) = (context.Device, rope, config.HeadDim);

        int[] headBounds = LeafCuts.AttentionHeads(numHeads, numKvHeads);
        Slice own = context.Shard.Own(headBounds.Length - 1);
        var heads = new Slice(headBounds[own.Start], headBounds[own.End]);
        Slice kvHeads = heads.IsEmpty ? default : new Slice(heads.Start / groupSize, ((heads.End - 1) / groupSize) + 1);
        _shape = new AttentionShape(heads.Count, heads.Start, groupSize, kvHeads.Start, (float)(1 / Math.Sqrt(_headDim)));
        KvLayout = new KvLayout(kvHeads.Count, _headDim, _headDim, Window: config.SlidingWindow);

        WeightSource Heads(string name, int count, Slice part) =>
            weights.MatrixWithBias(name, count * _headDim, hidden).Rows(part.Start * _headDim, part.End * _headDim);
        _qkv = new ColumnParallelLinear(
            context,
            Heads("q_proj", numHeads, heads),
            Heads("k_proj", numKvHeads, kvHeads),
            Heads("v_proj", numKvHeads, kvHeads));
        _output = new RowParallelLinear(
            context, weights.MatrixWithBias("o_proj", hidden, numHeads * _headDim), [.. headBounds.Select(head => head * _headDim)]);
        if (!weights.Has("q_norm.weight")) return;
        _queryNorm = new RmsNorm(context, weights.Vector("q_norm.weight", _headDim));
        _keyNorm = new RmsNorm(context, weights.Vector("k_norm.weight", _headDim));
    }

    /// <inheritdoc/>
    public override KvLayout KvLayout { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Step step, Tensor x)
    {
        int queryWidth = _shape.NumHeads * _headDim, keyWidth = KvLayout.NumKvHeads * _headDim;
        Tensor qkv = _qkv.Forward(x); // [tokens, (local heads + 2 * local KV heads) * headDim]
        Tensor query = qkv.Columns(0, queryWidth);
        Tensor key = qkv.Columns(queryWidth, queryWidth + keyWidth);
        Tensor value = qkv.Columns(queryWidth + keyWidth, queryWidth + (2 * keyWidth));
        _queryNorm?.ForwardHeads(query);
        _keyNorm?.ForwardHeads(key);
        Tensor table = step.RopeTable(_rope);
        _device.Rope(query, table, _headDim, 0, RopePairs.Halves);
        _device.Rope(key, table, _headDim, 0, RopePairs.Halves);
        _device.AppendKv(Cache, step.Batch, key, value);
        return _output.Forward(_device.Attention(query, Cache, step.Batch, _shape));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _qkv.Dispose();
        _output.Dispose();
        base.Dispose();
    }
}
