namespace Exo.Model;

/// <summary>Rotary embedding parameters under Hugging Face's names (`rope_scaling`, or `rope_parameters` in newer files).</summary>
public sealed record RopeConfig
{
    /// <summary>default, linear, dynamic, llama3 or yarn.</summary>
    public string RopeType { get; init; } = "default";

    /// <summary>Base of the frequencies.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How far the context is stretched.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>Context length before stretching.</summary>
    public int OriginalMaxPositionEmbeddings { get; init; }

    /// <summary>llama3: wavelengths above original / LowFreqFactor are stretched whole.</summary>
    public double LowFreqFactor { get; init; } = 1;

    /// <summary>llama3: wavelengths below original / HighFreqFactor are not stretched.</summary>
    public double HighFreqFactor { get; init; } = 4;

    /// <summary>yarn: rotations above which a dimension is not stretched.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>yarn: rotations below which a dimension is stretched whole.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>yarn: DeepSeek's attention temperature.</summary>
    public double Mscale { get; init; }

    /// <summary>yarn: DeepSeek's attention temperature over all dimensions.</summary>
    public double MscaleAllDim { get; init; }

    /// <summary>yarn: attention factor, where the file gives one.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>yarn: correction range rounded to whole dimensions.</summary>
    public bool Truncate { get; init; } = true;

    internal static RopeConfig Read(ConfigReader config, int maxPositionEmbeddings)
    {
        double theta = config.Number("rope_theta", 10000);
        ConfigReader? found = config.Object("rope_parameters") ?? config.Object("rope_scaling");
        if (found is not { } rope)
            return new RopeConfig { RopeTheta = theta, OriginalMaxPositionEmbeddings = maxPositionEmbeddings };
        string type = rope.Text("rope_type") ?? rope.Text("type") ?? "default";
        if (type is not ("default" or "linear" or "dynamic" or "llama3" or "yarn"))
            throw rope.Refuse("rope_type", "default, linear, dynamic, llama3 or yarn", type);
        int original = rope.Int("original_max_position_embeddings",
            config.Int("original_max_position_embeddings", maxPositionEmbeddings));
        return new RopeConfig
        {
            RopeType = type,
            RopeTheta = rope.Number("rope_theta", theta),
            Factor = type == "default" ? 1 : rope.Number("factor", type == "yarn" ? (double)maxPositionEmbeddings / original : null),
            OriginalMaxPositionEmbeddings = original,
            LowFreqFactor = rope.Number("low_freq_factor", 1),
            HighFreqFactor = rope.Number("high_freq_factor", 4),
            BetaFast = rope.Number("beta_fast", 32),
            BetaSlow = rope.Number("beta_slow", 1),
            Mscale = rope.Number("mscale", 0),
            MscaleAllDim = rope.Number("mscale_all_dim", 0),
            AttentionFactor = rope.Has("attention_factor") ? rope.Number("attention_factor") : null,
            Truncate = rope.Flag("truncate", true),
        };
    }
}
