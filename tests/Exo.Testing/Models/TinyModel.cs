using System.Text.Json.Nodes;
using Exo.Kernels;

namespace Exo.Testing;

/// <summary>
/// A random tiny model of any architecture of the repository: sizes are drawn from a seed, unkind ones included, so that a failing case
/// is named by architecture, format and seed alone.
/// </summary>
public sealed class TinyModel
{
    private readonly Random _random;
    private readonly Dictionary<string, int[]> _tensors = [];
    private readonly HashSet<string> _vectors = [];

    /// <summary>Draws a model. At least <paramref name="minLayers"/> layers, for pipelines.</summary>
    public TinyModel(string modelType, WeightFormat format, int seed, int minLayers = 1)
    {
        (ModelType, Format, Seed) = (modelType, format, seed);
        _random = new Random(seed);
        int unit = format.IsAffine() ? 32 : 8;
        NumLayers = Math.Max(minLayers, _random.Next(1, 4));
        VocabSize = _random.Next(20, 90);
        HiddenSize = unit * _random.Next(1, format.IsAffine() ? 4 : 12);
        Config = new JsonObject
        {
            ["model_type"] = modelType,
            ["hidden_size"] = HiddenSize,
            ["num_hidden_layers"] = NumLayers,
            ["vocab_size"] = VocabSize,
            ["max_position_embeddings"] = 256,
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["tie_word_embeddings"] = _random.Next(2) == 0,
        };
        if (format.IsAffine()) Config["quantization"] = new JsonObject { ["bits"] = format.Bits(), ["group_size"] = 32 };
        Matrix("model.embed_tokens", VocabSize, HiddenSize);
        Vector("model.norm.weight", HiddenSize);
        if (!Config["tie_word_embeddings"]!.GetValue<bool>()) Matrix("lm_head", VocabSize, HiddenSize);
        bool isDeepSeek = modelType == "deepseek_v3";
        int intermediate = Intermediate(20);
        Config["intermediate_size"] = intermediate;
        Action<string> attention = isDeepSeek ? MlaTensors() : GqaTensors(modelType != "llama");
        Action<string> experts = modelType == "qwen3_moe" || isDeepSeek ? ExpertTensors(isDeepSeek) : prefix => Mlp(prefix + ".mlp", intermediate);
        for (int layer = 0; layer < NumLayers; layer++)
        {
            string prefix = $"model.layers.{layer}";
            Vector(prefix + ".input_layernorm.weight", HiddenSize);
            Vector(prefix + ".post_attention_layernorm.weight", HiddenSize);
            attention(prefix + ".self_attn");
            bool isDense = (isDeepSeek && layer == 0) || (modelType == "qwen3_moe" && layer == 1);
            if (isDense) Mlp(prefix + ".mlp", intermediate);
            else experts(prefix);
        }
    }

    public string ModelType { get; }
    public WeightFormat Format { get; }
    public int Seed { get; }
    public int NumLayers { get; }
    public int VocabSize { get; }
    public int HiddenSize { get; }
    public JsonObject Config { get; }

    /// <summary>Writes config.json and model.safetensors.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Config.ToJsonString());
        TinyWeights.Write(Path.Combine(folder, "model.safetensors"), _tensors, _vectors, Format, new Random(Seed + 1));
    }

    /// <summary>A prompt of this model's tokens.</summary>
    public int[] Ids(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(VocabSize))];

    /// <inheritdoc/>
    public override string ToString() => $"{ModelType} {Format} seed {Seed}: {Config.ToJsonString()}";

    private int Intermediate(int units) => Format.IsAffine() ? 32 * _random.Next(1, units) : _random.Next(1, 32 * units);

    private void Vector(string name, int length)
    {
        _tensors[name] = [length];
        _vectors.Add(name);
    }

    private void Matrix(string name, int rows, int columns) => _tensors[name] = [rows, columns];

    private void Mlp(string prefix, int intermediate)
    {
        Matrix(prefix + ".gate_proj", intermediate, HiddenSize);
        Matrix(prefix + ".up_proj", intermediate, HiddenSize);
        Matrix(prefix + ".down_proj", HiddenSize, intermediate);
    }

    private Action<string> GqaTensors(bool hasNorms)
    {
        int kvHeads = _random.Next(8) == 0 ? 17 : _random.Next(1, 5), group = kvHeads > 5 ? 1 : _random.Next(1, 5);
        int headDim = Format.IsAffine() ? 32 : 2 * _random.Next(2, 18), heads = kvHeads * group;
        bool hasBias = !hasNorms && _random.Next(2) == 0;
        Config["num_attention_heads"] = heads;
        Config["num_key_value_heads"] = kvHeads;
        Config["head_dim"] = headDim;
        return prefix =>
        {
            Matrix(prefix + ".q_proj", heads * headDim, HiddenSize);
            Matrix(prefix + ".k_proj", kvHeads * headDim, HiddenSize);
            Matrix(prefix + ".v_proj", kvHeads * headDim, HiddenSize);
            Matrix(prefix + ".o_proj", HiddenSize, heads * headDim);
            if (hasNorms)
            {
                Vector(prefix + ".q_norm.weight", headDim);
                Vector(prefix + ".k_norm.weight", headDim);
            }
            if (!hasBias) return;
            Vector(prefix + ".q_proj.bias", heads * headDim);
            Vector(prefix + ".k_proj.bias", kvHeads * headDim);
            Vector(prefix + ".v_proj.bias", kvHeads * headDim);
            Vector(prefix + ".o_proj.bias", HiddenSize);
        };
    }

    private Action<string> MlaTensors()
    {
        int heads = _random.Next(1, 20), rank = 32 * _random.Next(1, 3), nope = 2 * _random.Next(1, 9), rope = 2 * _random.Next(1, 9);
        int value = Format.IsAffine() ? 32 : _random.Next(1, 20);
        int? queryRank = _random.Next(2) == 0 ? 32 * _random.Next(1, 3) : null;
        Config["num_attention_heads"] = heads;
        Config["kv_lora_rank"] = rank;
        Config["qk_nope_head_dim"] = nope;
        Config["qk_rope_head_dim"] = rope;
        Config["v_head_dim"] = value;
        Config["head_dim"] = nope + rope;
        if (queryRank is not null) Config["q_lora_rank"] = queryRank;
        return prefix =>
        {
            if (queryRank is int q)
            {
                Matrix(prefix + ".q_a_proj", q, HiddenSize);
                Vector(prefix + ".q_a_layernorm.weight", q);
                Matrix(prefix + ".q_b_proj", heads * (nope + rope), q);
            }
            else
            {
                Matrix(prefix + ".q_proj", heads * (nope + rope), HiddenSize);
            }
            Matrix(prefix + ".kv_a_proj_with_mqa", rank + rope, HiddenSize);
            Vector(prefix + ".kv_a_layernorm.weight", rank);
            Matrix(prefix + ".kv_b_proj", heads * (nope + value), rank);
            Matrix(prefix + ".o_proj", HiddenSize, heads * value);
        };
    }

    private Action<string> ExpertTensors(bool isDeepSeek)
    {
        int groups = isDeepSeek ? _random.Next(1, 4) : 1, numExperts = groups * _random.Next(2, 5), intermediate = Intermediate(10);
        int topGroups = _random.Next(1, groups + 1), shared = isDeepSeek ? _random.Next(0, 3) : 0;
        Config[isDeepSeek ? "n_routed_experts" : "num_experts"] = numExperts;
        Config["num_experts_per_tok"] = _random.Next(1, Math.Min(4, topGroups * (numExperts / groups)) + 1);
        Config["moe_intermediate_size"] = intermediate;
        Config["norm_topk_prob"] = _random.Next(2) == 0;
        if (isDeepSeek)
        {
            Config["n_group"] = groups;
            Config["topk_group"] = topGroups;
            Config["n_shared_experts"] = shared;
            Config["first_k_dense_replace"] = 1;
            Config["routed_scaling_factor"] = 2.5;
        }
        else
        {
            Config["mlp_only_layers"] = new JsonArray(1);
        }
        return prefix =>
        {
            Matrix(prefix + ".mlp.gate", numExperts, HiddenSize);
            if (isDeepSeek) Vector(prefix + ".mlp.gate.e_score_correction_bias", numExperts);
            for (int expert = 0; expert < numExperts; expert++) Mlp($"{prefix}.mlp.experts.{expert}", intermediate);
            if (shared > 0) Mlp(prefix + ".mlp.shared_experts", intermediate * shared);
        };
    }
}
