using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>What a GGUF file's metadata says about its model: sizes, and what config.json needs beyond them.</summary>
internal sealed class GgufModel
{
    private const int MaxSize = 1 << 28;
    private const int MaxCount = 1 << 12;

    // GGUF's `llama` stands for Llama, Mistral, SmolLM and others of the same code.
    private static readonly Dictionary<string, string> _families = new(StringComparer.Ordinal)
    {
        ["llama"] = "llama",
        ["qwen2"] = "qwen2",
        ["qwen3"] = "qwen3",
        ["qwen3moe"] = "qwen3_moe",
    };

    private GgufModel(GgufFile file, string architecture)
    {
        File = file;
        Architecture = architecture;
        Shape = ReadShape();
    }

    public GgufFile File { get; }

    public string Architecture { get; }

    public CheckpointShape Shape { get; }

    /// <exception cref="GgufException">An architecture that cannot be imported, or metadata that is missing or contradicts itself.</exception>
    public static GgufModel Read(GgufFile file)
    {
        string architecture = file.Metadata.Get<string>("general.architecture");
        if (!_families.ContainsKey(architecture))
            throw new GgufException(file.Path, $"general.architecture: expected one of {string.Join(", ", _families.Keys)}, got '{architecture}'");
        return new GgufModel(file, architecture);
    }

    /// <summary>The metadata key of this architecture, such as llama.block_count.</summary>
    public string Key(string name) => $"{Architecture}.{name}";

    public float RmsNormEps => File.Metadata.Get<float>(Key("attention.layer_norm_rms_epsilon"));

    public float RopeTheta => File.Metadata.Get(Key("rope.freq_base"), 10000f);

    public int MaxPositionEmbeddings => File.Metadata.GetInt(Key("context_length"), 1, int.MaxValue);

    public int NumExpertsPerToken => File.Metadata.GetInt(Key("expert_used_count"), 1, MaxCount);

    private CheckpointShape ReadShape()
    {
        GgufMetadata metadata = File.Metadata;
        string family = _families[Architecture];
        int hiddenSize = metadata.GetInt(Key("embedding_length"), 1, MaxSize);
        int numHeads = metadata.GetInt(Key("attention.head_count"), 1, MaxSize);
        int headDim = metadata.GetInt(Key("attention.key_length"), 1, MaxSize, missing: Math.Max(hiddenSize / numHeads, 1));
        Demand(metadata.GetInt(Key("attention.value_length"), 1, MaxSize, headDim) == headDim, "attention.value_length", "the key length");
        Demand(metadata.GetInt(Key("rope.dimension_count"), 1, MaxSize, headDim) == headDim, "rope.dimension_count", "whole heads");
        Demand(headDim % 2 == 0, "attention.key_length", "an even number");
        bool hasExperts = family == "qwen3_moe";
        if (!hasExperts) Demand(metadata.GetInt(Key("expert_count"), 0, MaxCount, 0) == 0, "expert_count", "none");
        bool qkvBias = File.TryGet("blk.0.attn_q.bias", out _);
        if (family == "qwen2") Demand(qkvBias, "blk.0.attn_q.bias", "a tensor");
        return new CheckpointShape
        {
            ModelType = family,
            VocabSize = VocabSize(),
            HiddenSize = hiddenSize,
            IntermediateSize = metadata.GetInt(Key("feed_forward_length"), 1, MaxSize),
            NumHiddenLayers = metadata.GetInt(Key("block_count"), 1, MaxCount),
            NumAttentionHeads = numHeads,
            NumKeyValueHeads = metadata.GetInt(Key("attention.head_count_kv"), 1, numHeads, missing: numHeads),
            HeadDim = headDim,
            TieWordEmbeddings = !File.TryGet("output.weight", out _),
            QkvBias = qkvBias,
            OutputBias = qkvBias && family != "qwen2",
            MlpBias = File.TryGet("blk.0.ffn_gate.bias", out _),
            NumExperts = hasExperts ? metadata.GetInt(Key("expert_count"), 1, MaxCount) : 0,
            MoeIntermediateSize = hasExperts ? metadata.GetInt(Key("expert_feed_forward_length"), 1, MaxSize) : 0,
        };
    }

    private int VocabSize()
    {
        if (!File.TryGet("token_embd.weight", out GgufTensor embeddings))
            throw new GgufException(File.Path, "token_embd.weight: expected, but the file does not have it");
        return embeddings.Rows <= MaxSize
            ? (int)embeddings.Rows
            : throw new GgufException(File.Path, $"token_embd.weight: expected at most {MaxSize} rows, got {embeddings.Rows}");
    }

    private void Demand(bool holds, string key, string expected)
    {
        if (!holds) throw new GgufException(File.Path, $"{Key(key)}: expected {expected}; another kind of model cannot be imported");
    }
}
