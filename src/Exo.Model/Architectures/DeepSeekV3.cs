using Exo.Kernels;
using Exo.Model.Layers;
using Exo.Model.Weights;

namespace Exo.Model.Architectures;

/// <summary>
/// DeepSeek V3 and R1, Kimi K2: latent attention, sigmoid routing in groups with a correction bias, shared experts, first layers dense.
/// The next-token-prediction layers that follow the last one in published checkpoints are left out: num_hidden_layers ends before them.
/// </summary>
internal static class DeepSeekV3
{
    public static IEnumerable<DecoderLayer> CreateLayers(ModelContext context, WeightScope weights)
    {
        ModelConfig config = context.Config;
        MoeConfig moe = config.Moe ?? throw new ModelException($"config.json: n_routed_experts: missing from a {config.ModelType} model");
        MlaConfig mla = config.Mla ?? throw new ModelException($"config.json: kv_lora_rank: missing from a {config.ModelType} model");
        var rope = new Rope(config.Rope, mla.QkRopeHeadDim);
        var router = new RouterOptions(
            moe.NumExperts, moe.NumExpertsPerTok, RouterScoring.Sigmoid, moe.NormTopkProb, moe.NGroup, moe.TopkGroup, moe.RoutedScalingFactor);
        foreach ((int index, WeightScope layer) in Architecture.OwnLayers(context, weights))
        {
            yield return new DecoderLayer(
                context,
                layer,
                new MlaAttention(context, layer.Scope("self_attn"), rope),
                index < moe.FirstKDenseReplace
                    ? new GatedMlp(context, layer.Scope("mlp"), config.IntermediateSize)
                    : new MoeMlp(context, layer.Scope("mlp"), router));
        }
    }
}
