using Exo.Model.Layers;
using Exo.Model.Weights;

namespace Exo.Model.Architectures;

/// <summary>Llama 2 and 3, SmolLM2 and everything else that says `llama`: grouped-query attention and a gated MLP, biases optional.</summary>
internal static class Llama
{
    public static IEnumerable<DecoderLayer> CreateLayers(ModelContext context, WeightScope weights)
    {
        var rope = new Rope(context.Config.Rope, context.Config.HeadDim);
        foreach ((_, WeightScope layer) in Architecture.OwnLayers(context, weights))
        {
            yield return new DecoderLayer(
                context,
                layer,
                new GqaAttention(context, layer.Scope("self_attn"), rope),
                new GatedMlp(context, layer.Scope("mlp"), context.Config.IntermediateSize));
        }
    }
}
