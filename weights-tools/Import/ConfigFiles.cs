using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>config.json and generation_config.json from a GGUF file's metadata.</summary>
internal static class ConfigFiles
{
    private static readonly Dictionary<string, string> _classNames = new(StringComparer.Ordinal)
    {
        ["llama"] = "LlamaForCausalLM",
        ["mistral"] = "MistralForCausalLM",
        ["qwen2"] = "Qwen2ForCausalLM",
        ["qwen3"] = "Qwen3ForCausalLM",
        ["qwen3_moe"] = "Qwen3MoeForCausalLM",
    };

    /// <summary>How the tools write JSON: indented, and with characters beyond ASCII as they are.</summary>
    public static JsonSerializerOptions Json { get; } = new()
    {
        WriteIndented = true,
        IndentSize = 2,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static void WriteJson(string path, JsonNode node) => File.WriteAllText(path, node.ToJsonString(Json) + "\n");

    public static void Write(OutputFolder folder, GgufModel model, ImportPlan plan)
    {
        JsonObject config = Sizes(model.Shape);
        config["rms_norm_eps"] = model.RmsNormEps;
        config["hidden_act"] = "silu";
        config["max_position_embeddings"] = model.MaxPositionEmbeddings;
        config["rope_theta"] = model.RopeTheta;
        if (RopeScaling.Read(model) is JsonObject scaling) config["rope_scaling"] = scaling;
        if (model.Shape.NumExperts > 0)
        {
            config["num_experts_per_tok"] = model.NumExpertsPerToken;
            config["norm_topk_prob"] = true;
        }
        JsonObject special = SpecialTokenIds(model.File.Metadata);
        foreach ((string key, JsonNode? value) in special) config[key] = value!.DeepClone();
        config["torch_dtype"] = TorchName(plan);
        if (Quantization(plan) is JsonObject quantization)
        {
            config["quantization"] = quantization;
            config["quantization_config"] = quantization.DeepClone();
        }
        WriteJson(folder.PathOf("config.json"), config);
        WriteJson(folder.PathOf("generation_config.json"), special);
    }

    /// <summary>The sizes under Hugging Face's keys.</summary>
    public static JsonObject Sizes(CheckpointShape shape)
    {
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray(_classNames[shape.ModelType]),
            ["model_type"] = shape.ModelType,
            ["vocab_size"] = shape.VocabSize,
            ["hidden_size"] = shape.HiddenSize,
            ["intermediate_size"] = shape.IntermediateSize,
            ["num_hidden_layers"] = shape.NumHiddenLayers,
            ["num_attention_heads"] = shape.NumAttentionHeads,
            ["num_key_value_heads"] = shape.NumKeyValueHeads,
            ["head_dim"] = shape.HeadDim,
            ["tie_word_embeddings"] = shape.TieWordEmbeddings,
        };
        if (shape.ModelType != "qwen2") config["attention_bias"] = shape.QkvBias;
        if (shape.ModelType == "llama") config["mlp_bias"] = shape.MlpBias;
        if (shape.NumExperts > 0)
        {
            config["num_experts"] = shape.NumExperts;
            config["moe_intermediate_size"] = shape.MoeIntermediateSize;
            config["decoder_sparse_step"] = 1;
            config["mlp_only_layers"] = new JsonArray();
        }
        return config;
    }

    private static JsonObject SpecialTokenIds(GgufMetadata metadata)
    {
        var ids = new JsonObject();
        if (metadata.TryGet("tokenizer.ggml.bos_token_id", out long bos)) ids["bos_token_id"] = bos;
        if (metadata.TryGet("tokenizer.ggml.eos_token_id", out long eos))
        {
            // Some models end a turn with another token than a text: both end an answer.
            ids["eos_token_id"] = metadata.TryGet("tokenizer.ggml.eot_token_id", out long eot) && eot != eos ? new JsonArray(eos, eot) : eos;
        }
        if (metadata.TryGet("tokenizer.ggml.padding_token_id", out long padding)) ids["pad_token_id"] = padding;
        return ids;
    }

    private static string TorchName(ImportPlan plan) => plan.Tensors.First(t => t.Name == "model.norm.weight").FloatType switch
    {
        Exo.Model.Weights.SafetensorsDtype.F16 => "float16",
        Exo.Model.Weights.SafetensorsDtype.BF16 => "bfloat16",
        _ => "float32",
    };

    // The commonest format stands for all; modules that differ have an entry of their own, `false` where they are not quantized.
    private static JsonObject? Quantization(ImportPlan plan)
    {
        List<TensorPlan> matrices = [.. plan.Tensors.Where(t => t.Shape.Length == 2)];
        AffineFormat? commonest = matrices.Where(t => t.Affine is not null).GroupBy(t => t.Affine).MaxBy(g => g.Count())?.Key;
        if (commonest is not AffineFormat format) return null;
        JsonObject quantization = FormatNode(format);
        foreach (TensorPlan matrix in matrices.Where(t => t.Affine != format))
        {
            string module = matrix.Name[..matrix.Name.LastIndexOf('.')];
            quantization[module] = matrix.Affine is AffineFormat own ? FormatNode(own) : JsonValue.Create(false);
        }
        return quantization;
    }

    public static JsonObject FormatNode(AffineFormat format) => new() { ["group_size"] = format.GroupSize, ["bits"] = format.Bits };
}
