using Exo.Kernels;
using Exo.Model.Layers;
using Exo.Model.Weights;

namespace Exo.Model.Architectures;

/// <summary>Qwen3 with routed experts: softmax routing; layers named by `mlp_only_layers` or skipped by `decoder_sparse_step` are dense.</summary>
internal static class Qwen3Moe
{
    public static IEnumerable<DecoderLayer> CreateLayers(ModelContext context, WeightScope weights)
    {
        ModelConfig config = context.Config;
        MoeConfig moe = config.Moe ?? throw new ModelException("config.json: num_experts: missing from a qwen3_moe model");
        var rope = new Rope(config.Rope, config.HeadDim);
        var router = new RouterOptions(moe.NumExperts, moe.NumExpertsPerTok, RouterScoring.Softmax, moe.NormTopkProb);
        foreach ((int index, WeightScope layer) in Architecture.OwnLayers(context, weights))
        {
            bool isSparse = !moe.MlpOnlyLayers.Contains(index) && (index + 1) % moe.DecoderSparseStep == 0;
            yield return new DecoderLayer(
                context,
                layer,
                new GqaAttention(context, layer.Scope("self_attn"), rope),
                isSparse
                    ? new MoeMlp(context, layer.Scope("mlp"), router)
                    : new GatedMlp(context, layer.Scope("mlp"), config.IntermediateSize));
        }
    }
}
