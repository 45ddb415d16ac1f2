using Exo.Model.Layers;
using Exo.Model.Weights;

namespace Exo.Model.Architectures;

/// <summary>Qwen3, dense: Llama with a norm on each head of q and k, which its checkpoints always carry.</summary>
internal static class Qwen3
{
    public static IEnumerable<DecoderLayer> CreateLayers(ModelContext context, WeightScope weights)
    {
        foreach ((_, WeightScope layer) in Architecture.OwnLayers(context, weights))
            if (!layer.Has("self_attn.q_norm.weight")) throw new ModelException("self_attn.q_norm.weight: missing from a qwen3 checkpoint");
        return Llama.CreateLayers(context, weights);
    }
}
