using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Layers;

/// <summary>
/// Multi-head latent attention (DeepSeek V2, arXiv 2405.04434): the cache holds one compressed vector a position,
/// [kv_lora_rank + rope], from which values are the first part. kv_b_proj is absorbed into queries and outputs, in prefill as in decode.
/// Ranks split the heads; every rank caches the whole compressed vector.
/// </summary>
public sealed class MlaAttention : AttentionModule
{
    private readonly Device _device;
    private readonly Rope _rope;
    private readonly MlaConfig _mla;
    private readonly ColumnParallelLinear _down; // q_a_proj (or q_proj) and kv_a_proj_with_mqa: one product
    private readonly RmsNorm? _queryNorm;
    private readonly ColumnParallelLinear? _queryUp;
    private readonly RmsNorm _keyNorm;
    private readonly Weight[] _absorbedKeys; // per head: [kvLoraRank, nope]
    private readonly Weight[] _absorbedValues; // per head: [vHeadDim, kvLoraRank]
    private readonly RowParallelLinear _output;
    private readonly AttentionShape _shape;
    private readonly int _queryWidth;

    /// <summary>Reads "self_attn" of a layer.</summary>
    public MlaAttention(ModelContext context, WeightScope weights, Rope rope)
    {
        ModelConfig config = context.Config;
        (_device, _rope, _mla) = (context.Device, rope, config.Mla!);
        int numHeads = config.NumAttentionHeads, hidden = config.HiddenSize;
        int headDim = _mla.QkNopeHeadDim + _mla.QkRopeHeadDim, upRows = _mla.QkNopeHeadDim + _mla.VHeadDim;
        int[] headBounds = LeafCuts.MlaHeads(numHeads);
        Slice own = context.Shard.Own(headBounds.Length - 1);
        var heads = new Slice(headBounds[own.Start], headBounds[own.End]);
        _shape = new AttentionShape(heads.Count, heads.Start, numHeads, 0, Scale(config.Rope, headDim));
        KvLayout = new KvLayout(1, _mla.KvLoraRank + _mla.QkRopeHeadDim, _mla.KvLoraRank, ValuesInKeys: true);

        WeightSource keyDown = weights.MatrixWithBias("kv_a_proj_with_mqa", KvLayout.KeyWidth, hidden);
        WeightSource Queries(string name, int inputs) =>
            weights.Matrix(name, numHeads * headDim, inputs).Rows(heads.Start * headDim, heads.End * headDim);
        _queryWidth = _mla.QLoraRank ?? heads.Count * headDim;
        if (_mla.QLoraRank is int rank)
        {
            _down = new ColumnParallelLinear(context, weights.MatrixWithBias("q_a_proj", rank, hidden), keyDown);
            _queryNorm = new RmsNorm(context, weights.Vector("q_a_layernorm.weight", rank));
            _queryUp = new ColumnParallelLinear(context, Queries("q_b_proj", rank));
        }
        else
        {
            _down = new ColumnParallelLinear(context, Queries("q_proj", hidden), keyDown);
        }
        _keyNorm = new RmsNorm(context, weights.Vector("kv_a_layernorm.weight", _mla.KvLoraRank));
        (_absorbedKeys, _absorbedValues) = Absorb(context.Device, _mla, weights.Matrix("kv_b_proj", numHeads * upRows, _mla.KvLoraRank), heads);
        _output = new RowParallelLinear(
            context, weights.MatrixWithBias("o_proj", hidden, numHeads * _mla.VHeadDim), [.. headBounds.Select(head => head * _mla.VHeadDim)]);
    }

    /// <inheritdoc/>
    public override KvLayout KvLayout { get; }

    /// <inheritdoc/>
    public override Tensor Forward(Step step, Tensor x)
    {
        int rank = _mla.KvLoraRank, headDim = _mla.QkNopeHeadDim + _mla.QkRopeHeadDim;
        Tensor down = _down.Forward(x); // [tokens, queryWidth + kvLoraRank + rope]
        Tensor query = down.Columns(0, _queryWidth);
        if (_queryUp is not null) query = _queryUp.Forward(_queryNorm!.Forward(query)); // [tokens, local heads * (nope + rope)]
        Tensor key = down.Columns(_queryWidth, down.NumColumns); // [tokens, kvLoraRank + rope]
        _keyNorm.ForwardHeads(key.Columns(0, rank));

        Tensor table = step.RopeTable(_rope);
        _device.Rope(query, table, headDim, _mla.QkNopeHeadDim, RopePairs.Interleaved);
        _device.Rope(key, table, rank + _mla.QkRopeHeadDim, rank, RopePairs.Interleaved);
        _device.AppendKv(Cache, step.Batch, key, null);
        Tensor absorbed = _device.MatMulHeads(query, headDim, _absorbedKeys); // [tokens, local heads * (kvLoraRank + rope)]
        Tensor mixed = _device.Attention(absorbed, Cache, step.Batch, _shape); // [tokens, local heads * kvLoraRank]
        return _output.Forward(_device.MatMulHeads(mixed, rank, _absorbedValues));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _down.Dispose();
        _queryUp?.Dispose();
        foreach (Weight weight in _absorbedKeys) weight.Dispose();
        foreach (Weight weight in _absorbedValues) weight.Dispose();
        _output.Dispose();
        base.Dispose();
    }

    /// <summary>kv_b_proj [heads * (nope + v), kvLoraRank], dequantized and cut: keys transposed for the queries, values as they are.</summary>
    private static (Weight[] Keys, Weight[] Values) Absorb(Device device, MlaConfig mla, WeightSource kvUp, Slice heads)
    {
        int rank = mla.KvLoraRank, rows = mla.QkNopeHeadDim + mla.VHeadDim;
        var keys = new Weight[heads.Count];
        var values = new Weight[heads.Count];
        using var key = new HostMatrix(rank, mla.QkNopeHeadDim);
        for (int i = 0; i < heads.Count; i++)
        {
            int first = (heads.Start + i) * rows;
            for (int d = 0; d < mla.QkNopeHeadDim; d++)
                for (int c = 0; c < rank; c++) key.Row(c)[d] = WeightElements.Value(kvUp, first + d, c);
            keys[i] = device.Load([key.Source], ActivationFormat.Float32);
            values[i] = device.Load([kvUp.Rows(first + mla.QkNopeHeadDim, first + rows)], ActivationFormat.Float32);
        }
        return (keys, values);
    }

    /// <summary>1 / sqrt(head), times the square of YaRN's temperature where the config sets mscale_all_dim.</summary>
    private static float Scale(RopeConfig rope, int headDim)
    {
        double temperature = rope.RopeType == "yarn" && rope.MscaleAllDim != 0 ? Rope.YarnTemperature(rope.Factor, rope.MscaleAllDim) : 1;
        return (float)(temperature * temperature / Math.Sqrt(headDim));
    }
}
