namespace Exo.Model;

/// <summary>
/// `config.json` of a Hugging Face model folder. Properties are the file's keys in Pascal case; both of its styles are read
/// (`rope_theta`/`rope_scaling` and `rope_parameters`). Sizes are the whole model's.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>`model_type`: chooses the architecture.</summary>
    public required string ModelType { get; init; }

    public required int HiddenSize { get; init; }
    public required int IntermediateSize { get; init; }
    public required int NumHiddenLayers { get; init; }
    public required int NumAttentionHeads { get; init; }
    public required int NumKeyValueHeads { get; init; }
    public required int HeadDim { get; init; }
    public required int VocabSize { get; init; }
    public required int MaxPositionEmbeddings { get; init; }
    public required float RmsNormEps { get; init; }
    public bool TieWordEmbeddings { get; init; }
    public required RopeConfig Rope { get; init; }

    /// <summary>Positions that a row sees, its own included; 0 = all.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>Ids that end an answer.</summary>
    public int[] EosTokenId { get; init; } = [];
    public int? BosTokenId { get; init; }
    public QuantizationConfig? Quantization { get; init; }

    /// <summary>Experts, or null for a dense model.</summary>
    public MoeConfig? Moe { get; init; }

    /// <summary>Multi-head latent attention, or null.</summary>
    public MlaConfig? Mla { get; init; }

    /// <summary>Reads `config.json` of a model folder, and the end tokens of `generation_config.json` where there is one.</summary>
    public static ModelConfig Load(string folder)
    {
        ConfigReader config = ConfigReader.Open(Path.Combine(folder, "config.json"));
        ModelConfig result = Read(config);
        string generation = Path.Combine(folder, "generation_config.json");
        if (!File.Exists(generation)) return result;
        int[] eos = ConfigReader.Open(generation).Ints("eos_token_id");
        return eos.Length == 0 ? result : result with { EosTokenId = [.. result.EosTokenId.Union(eos)] };
    }

    /// <summary>Reads the keys of an opened file.</summary>
    public static ModelConfig Read(ConfigReader config)
    {
        int heads = config.Int("num_attention_heads"), hidden = config.Int("hidden_size");
        int kvHeads = config.Int("num_key_value_heads", heads), maxPositions = config.Int("max_position_embeddings", 2048);
        string activation = config.Text("hidden_act", "silu")!;
        if (activation is not ("silu" or "swish")) throw config.Refuse("hidden_act", "silu", activation);
        if (heads % kvHeads != 0) throw config.Refuse("num_key_value_heads", $"a divisor of the {heads} attention heads", $"{kvHeads}");
        int headDim = config.Has("head_dim") || hidden % heads == 0
            ? config.Int("head_dim", hidden / heads)
            : throw config.Refuse("head_dim", "a value, where hidden_size is no multiple of num_attention_heads", "nothing");
        bool windowed = config.Flag("use_sliding_window", config.Text("model_type") == "mistral");
        return new ModelConfig
        {
            ModelType = config.Text("model_type") ?? throw config.Refuse("model_type", "a string", "nothing"),
            HiddenSize = hidden,
            IntermediateSize = config.Int("intermediate_size", config.Has("moe_intermediate_size") ? config.Int("moe_intermediate_size") : null),
            NumHiddenLayers = config.Int("num_hidden_layers"),
            NumAttentionHeads = heads,
            NumKeyValueHeads = kvHeads,
            HeadDim = headDim,
            VocabSize = config.Int("vocab_size"),
            MaxPositionEmbeddings = maxPositions,
            RmsNormEps = (float)config.Number("rms_norm_eps", 1e-6),
            TieWordEmbeddings = config.Flag("tie_word_embeddings", false),
            Rope = RopeConfig.Read(config, maxPositions),
            SlidingWindow = windowed ? config.Int("sliding_window", 0) : 0,
            EosTokenId = config.Ints("eos_token_id"),
            BosTokenId = config.Ints("bos_token_id") is [int bos, ..] ? bos : null,
            Quantization = QuantizationConfig.Read(config),
            Moe = MoeConfig.Read(config),
            Mla = MlaConfig.Read(config),
        };
    }
}
