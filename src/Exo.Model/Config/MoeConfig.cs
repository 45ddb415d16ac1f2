namespace Exo.Model;

/// <summary>The mixture-of-experts keys, under the names that Qwen3-MoE and DeepSeek V3 share or each has.</summary>
public sealed record MoeConfig
{
    public required int NumExperts { get; init; }
    public required int NumExpertsPerTok { get; init; }
    public required int MoeIntermediateSize { get; init; }
    public bool NormTopkProb { get; init; }

    /// <summary>Qwen: every how many layers one is sparse.</summary>
    public int DecoderSparseStep { get; init; } = 1;

    /// <summary>Qwen: layers that are dense nevertheless.</summary>
    public int[] MlpOnlyLayers { get; init; } = [];

    /// <summary>DeepSeek: experts that every token passes, stored as one MLP.</summary>
    public int NSharedExperts { get; init; }

    /// <summary>DeepSeek: first layers that are dense.</summary>
    public int FirstKDenseReplace { get; init; }
    public int NGroup { get; init; } = 1;
    public int TopkGroup { get; init; } = 1;
    public float RoutedScalingFactor { get; init; } = 1;

    internal static MoeConfig? Read(ConfigReader config)
    {
        string? key = config.Has("n_routed_experts") ? "n_routed_experts" : config.Has("num_experts") ? "num_experts" : null;
        if (key is null) return null;
        int numExperts = config.Int(key, maximum: 1 << 16);
        int perToken = config.Int("num_experts_per_tok"), groups = config.Int("n_group", 1), topkGroups = config.Int("topk_group", 1);
        if (perToken > numExperts) throw config.Refuse("num_experts_per_tok", $"at most {numExperts}", $"{perToken}");
        if (numExperts % groups != 0) throw config.Refuse("n_group", $"a divisor of {numExperts}", $"{groups}");
        if (topkGroups > groups) throw config.Refuse("topk_group", $"at most {groups}", $"{topkGroups}");
        if (config.Int("moe_layer_freq", 1) != 1) throw config.Refuse("moe_layer_freq", "1", config.Element("moe_layer_freq")!.Value.GetRawText());
        return new MoeConfig
        {
            NumExperts = numExperts,
            NumExpertsPerTok = perToken,
            MoeIntermediateSize = config.Int("moe_intermediate_size"),
            NormTopkProb = config.Flag("norm_topk_prob", false),
            DecoderSparseStep = config.Int("decoder_sparse_step", 1),
            MlpOnlyLayers = config.Ints("mlp_only_layers"),
            NSharedExperts = config.Int("n_shared_experts", 0, minimum: 0),
            FirstKDenseReplace = config.Int("first_k_dense_replace", 0, minimum: 0),
            NGroup = groups,
            TopkGroup = topkGroups,
            RoutedScalingFactor = (float)config.Number("routed_scaling_factor", 1),
        };
    }
}

/// <summary>DeepSeek's multi-head latent attention.</summary>
/// <param name="QLoraRank">Width of the compressed queries; null = queries are projected in one step.</param>
/// <param name="KvLoraRank">Width of the compressed keys and values: what the cache holds.</param>
/// <param name="QkNopeHeadDim">Part of a head that is not rotated.</param>
/// <param name="QkRopeHeadDim">Part of a head that is rotated, shared by all heads in the keys.</param>
/// <param name="VHeadDim">Width of a head's value.</param>
public sealed record MlaConfig(int? QLoraRank, int KvLoraRank, int QkNopeHeadDim, int QkRopeHeadDim, int VHeadDim)
{
    internal static MlaConfig? Read(ConfigReader config) => !config.Has("kv_lora_rank")
        ? null
        : new MlaConfig(
            config.Has("q_lora_rank") ? config.Int("q_lora_rank") : null,
            config.Int("kv_lora_rank"),
            config.Int("qk_nope_head_dim"),
            config.Int("qk_rope_head_dim"),
            config.Int("v_head_dim"));
}
