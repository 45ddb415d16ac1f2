using Exo.Model.Layers;
using Exo.Model.Weights;

namespace Exo.Model.Architectures;

/// <summary>What the architectures share: a name, checks, and how one decoder layer is put together.</summary>
/// <param name="ModelType">`model_type` of config.json.</param>
/// <param name="CreateLayers">Makes the layers of this rank's pipeline stage.</param>
public sealed record Architecture(string ModelType, Func<ModelContext, WeightScope, IEnumerable<DecoderLayer>> CreateLayers)
{
    private static readonly Dictionary<string, Architecture> _all = new Architecture[]
    {
        new("llama", Llama.CreateLayers),
        new("qwen3", Qwen3.CreateLayers),
        new("qwen3_moe", Qwen3Moe.CreateLayers),
        new("deepseek_v3", DeepSeekV3.CreateLayers),
        new("kimi_k2", DeepSeekV3.CreateLayers),
    }.ToDictionary(architecture => architecture.ModelType);

    /// <summary>Values of `model_type` that can be run.</summary>
    public static IReadOnlyCollection<string> Supported => _all.Keys;

    /// <summary>The architecture of a model.</summary>
    public static Architecture Of(ModelConfig config) => _all.TryGetValue(config.ModelType, out Architecture? found)
        ? found
        : throw new ModelException($"config.json: model_type: expected one of {string.Join(", ", _all.Keys)}, got {config.ModelType}");

    /// <summary>The layers of this rank's pipeline stage.</summary>
    internal static IEnumerable<(int Index, WeightScope Weights)> OwnLayers(ModelContext context, WeightScope weights)
    {
        Parallel.Slice own = context.Shard.Pipeline.Layers(context.Config.NumHiddenLayers, context.Shard.Stage);
        for (int index = own.Start; index < own.End; index++) yield return (index, weights.Scope($"model.layers.{index}"));
    }
}
