using System.Text.Json;

namespace Exo.WeightsTools;

/// <summary>
/// The sizes of a model's tensors, under Hugging Face's names. Families: llama, mistral, qwen2, qwen3 (norms on each head of q and
/// k), qwen3_moe (experts).
/// </summary>
public sealed record CheckpointShape
{
    public required string ModelType { get; init; }
    public required int VocabSize { get; init; }
    public required int HiddenSize { get; init; }
    public required int IntermediateSize { get; init; }
    public required int NumHiddenLayers { get; init; }
    public required int NumAttentionHeads { get; init; }
    public required int NumKeyValueHeads { get; init; }
    public required int HeadDim { get; init; }
    public required bool TieWordEmbeddings { get; init; }
    public bool QkvBias { get; init; }
    public bool OutputBias { get; init; }
    public bool MlpBias { get; init; }
    public int NumExperts { get; init; }
    public int MoeIntermediateSize { get; init; }

    /// <summary>Layers whose MLP is dense although the model has experts.</summary>
    public IReadOnlyList<int> MlpOnlyLayers { get; init; } = [];

    public bool HasHeadNorms => ModelType is "qwen3" or "qwen3_moe";

    private const int MaxSize = 1 << 28;
    private const int MaxCount = 1 << 12; // of layers, and of experts in one

    private static readonly string[] _families = ["llama", "mistral", "qwen2", "qwen3", "qwen3_moe"];

    /// <summary>True for a model whose tensors are known here.</summary>
    public static bool IsKnownFamily(string modelType) => _families.Contains(modelType);

    /// <summary>Reads the sizes from config.json's root.</summary>
    public static CheckpointShape Read(string path, JsonElement config)
    {
        string modelType = config.TryGetProperty("model_type", out JsonElement t) && t.ValueKind == JsonValueKind.String ? t.GetString()! : "";
        if (!IsKnownFamily(modelType))
            throw new WeightsToolException($"{path}: model_type: expected one of {string.Join(", ", _families)}, got '{modelType}'");
        int heads = Int(path, config, "num_attention_heads", null);
        int hidden = Int(path, config, "hidden_size", null);
        int experts = modelType == "qwen3_moe" ? Int(path, config, "num_experts", null, MaxCount) : 0;
        bool attentionBias = Bool(config, "attention_bias");
        return new CheckpointShape
        {
            ModelType = modelType,
            VocabSize = Int(path, config, "vocab_size", null),
            HiddenSize = hidden,
            IntermediateSize = Int(path, config, "intermediate_size", null),
            NumHiddenLayers = Int(path, config, "num_hidden_layers", null, MaxCount),
            NumAttentionHeads = heads,
            NumKeyValueHeads = Int(path, config, "num_key_value_heads", heads),
            HeadDim = Int(path, config, "head_dim", hidden / heads),
            TieWordEmbeddings = Bool(config, "tie_word_embeddings"),
            QkvBias = modelType == "qwen2" || attentionBias,
            OutputBias = modelType != "qwen2" && attentionBias,
            MlpBias = Bool(config, "mlp_bias"),
            NumExperts = experts,
            MoeIntermediateSize = experts > 0 ? Int(path, config, "moe_intermediate_size", null) : 0,
            MlpOnlyLayers = experts > 0 ? DenseLayers(path, config) : [],
        };
    }

    /// <summary>Every tensor of the model with its shape, in the order of a forward pass.</summary>
    public IEnumerable<(string Name, long[] Shape)> Tensors()
    {
        yield return ("model.embed_tokens.weight", [VocabSize, HiddenSize]);
        for (int layer = 0; layer < NumHiddenLayers; layer++)
        {
            foreach ((string name, long[] shape) in Layer(layer)) yield return ($"model.layers.{layer}.{name}", shape);
        }
        yield return ("model.norm.weight", [HiddenSize]);
        if (!TieWordEmbeddings) yield return ("lm_head.weight", [VocabSize, HiddenSize]);
    }

    private IEnumerable<(string Name, long[] Shape)> Layer(int layer)
    {
        yield return ("input_layernorm.weight", [HiddenSize]);
        foreach (var tensor in Linear("self_attn.q_proj", (long)NumAttentionHeads * HeadDim, HiddenSize, QkvBias)) yield return tensor;
        foreach (var tensor in Linear("self_attn.k_proj", (long)NumKeyValueHeads * HeadDim, HiddenSize, QkvBias)) yield return tensor;
        foreach (var tensor in Linear("self_attn.v_proj", (long)NumKeyValueHeads * HeadDim, HiddenSize, QkvBias)) yield return tensor;
        foreach (var tensor in Linear("self_attn.o_proj", HiddenSize, (long)NumAttentionHeads * HeadDim, OutputBias)) yield return tensor;
        if (HasHeadNorms)
        {
            yield return ("self_attn.q_norm.weight", [HeadDim]);
            yield return ("self_attn.k_norm.weight", [HeadDim]);
        }
        yield return ("post_attention_layernorm.weight", [HiddenSize]);
        bool dense = NumExperts == 0 || MlpOnlyLayers.Contains(layer);
        if (!dense) yield return ("mlp.gate.weight", [NumExperts, HiddenSize]);
        for (int expert = 0; expert < (dense ? 1 : NumExperts); expert++)
        {
            string prefix = dense ? "mlp" : $"mlp.experts.{expert}";
            int size = dense ? IntermediateSize : MoeIntermediateSize;
            foreach (var tensor in Linear(prefix + ".gate_proj", size, HiddenSize, MlpBias)) yield return tensor;
            foreach (var tensor in Linear(prefix + ".up_proj", size, HiddenSize, MlpBias)) yield return tensor;
            foreach (var tensor in Linear(prefix + ".down_proj", HiddenSize, size, MlpBias)) yield return tensor;
        }
    }

    private static IEnumerable<(string Name, long[] Shape)> Linear(string name, long outputs, long inputs, bool bias)
    {
        yield return (name + ".weight", [outputs, inputs]);
        if (bias) yield return (name + ".bias", [outputs]);
    }

    private static List<int> DenseLayers(string path, JsonElement config)
    {
        int step = Int(path, config, "decoder_sparse_step", 1);
        var dense = new HashSet<int>();
        if (config.TryGetProperty("mlp_only_layers", out JsonElement layers) && layers.ValueKind == JsonValueKind.Array)
            dense.UnionWith(layers.EnumerateArray().Select(l => l.GetInt32()));
        int numLayers = Int(path, config, "num_hidden_layers", null, MaxCount);
        dense.UnionWith(Enumerable.Range(0, numLayers).Where(l => (l + 1) % step != 0));
        return [.. dense];
    }

    private static int Int(string path, JsonElement config, string key, int? missing, int max = MaxSize)
    {
        bool found = config.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;
        if (!found && missing is int number) return number;
        if (found && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number) && number > 0 && number <= max) return number;
        throw new WeightsToolException($"{path}: {key}: expected a number from 1 to {max}, got {(found ? value.GetRawText() : "nothing")}");
    }

    private static bool Bool(JsonElement config, string key) =>
        config.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.True;
}
