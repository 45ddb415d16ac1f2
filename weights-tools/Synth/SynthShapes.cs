namespace Exo.WeightsTools.Synth;

/// <summary>Shapes of random models for benches.</summary>
public static class SynthShapes
{
    /// <summary>The names on the command line.</summary>
    public static IReadOnlyList<string> Names { get; } = ["llama-1b", "smollm2-135m", "moe-small"];

    public static CheckpointShape Get(string name) => name switch
    {
        // 1.10e9 parameters.
        "llama-1b" => new CheckpointShape
        {
            ModelType = "llama",
            VocabSize = 32_000,
            HiddenSize = 2048,
            IntermediateSize = 8192,
            NumHiddenLayers = 16,
            NumAttentionHeads = 32,
            NumKeyValueHeads = 8,
            HeadDim = 64,
            TieWordEmbeddings = false,
        },
        "smollm2-135m" => new CheckpointShape
        {
            ModelType = "llama",
            VocabSize = 49_152,
            HiddenSize = 576,
            IntermediateSize = 1536,
            NumHiddenLayers = 30,
            NumAttentionHeads = 9,
            NumKeyValueHeads = 3,
            HeadDim = 64,
            TieWordEmbeddings = true,
        },
        // 8.1e8 parameters, of which a token uses 2.0e8.
        "moe-small" => new CheckpointShape
        {
            ModelType = "qwen3_moe",
            VocabSize = 32_000,
            HiddenSize = 1024,
            IntermediateSize = 4096,
            NumHiddenLayers = 14,
            NumAttentionHeads = 16,
            NumKeyValueHeads = 4,
            HeadDim = 64,
            TieWordEmbeddings = false,
            NumExperts = 32,
            MoeIntermediateSize = 512,
        },
        _ => throw new WeightsToolException($"--shape: expected one of {string.Join(", ", Names)}, got '{name}'"),
    };

    public const int ExpertsPerToken = 6;
}
