using System.Text.Json;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Export;

/// <summary>RoPE's base and scaling as GGUF metadata.</summary>
internal static class RopeMetadata
{
    /// <summary>Adds the keys; llama3's scaling also needs a vector of divisors, which is returned.</summary>
    /// <exception cref="WeightsToolException">A kind of scaling that GGUF cannot state.</exception>
    public static ExportTensor? Add(Dictionary<string, object> metadata, string architecture, Checkpoint checkpoint, CheckpointShape shape)
    {
        // Old style: rope_theta beside rope_scaling; new style: both inside rope_parameters.
        JsonElement scaling = Object(checkpoint.Config, "rope_parameters") ?? Object(checkpoint.Config, "rope_scaling") ?? default;
        bool scaled = scaling.ValueKind == JsonValueKind.Object;
        double theta = (scaled ? checkpoint.PositiveNumber(scaling, "rope_theta") : null)
            ?? checkpoint.PositiveNumber(checkpoint.Config, "rope_theta") ?? 10000;
        metadata[$"{architecture}.rope.freq_base"] = (float)theta;
        string kind = scaled && (scaling.TryGetProperty("rope_type", out JsonElement t) || scaling.TryGetProperty("type", out t)) ? t.ToString() : "default";
        double Demand(string key) => checkpoint.PositiveNumber(scaling, key)
            ?? throw new WeightsToolException($"{checkpoint.ConfigPath}: rope scaling '{kind}': expected {key}");
        switch (kind)
        {
            case "default":
                return null;
            case "linear" or "yarn":
                metadata[$"{architecture}.rope.scaling.type"] = kind;
                metadata[$"{architecture}.rope.scaling.factor"] = (float)Demand("factor");
                if (kind == "yarn") metadata[$"{architecture}.rope.scaling.original_context_length"] = (uint)Demand("original_max_position_embeddings");
                return null;
            case "llama3":
                return new ExportTensor(ImportPlan.RopeFactorsName, RopeScaling.Llama3Factors(
                    shape.HeadDim, theta, Demand("factor"), Demand("low_freq_factor"), Demand("high_freq_factor"),
                    (int)Demand("original_max_position_embeddings")));
            default:
                throw new WeightsToolException($"{checkpoint.ConfigPath}: rope scaling: expected default, linear, yarn or llama3, got '{kind}'");
        }
    }

    private static JsonElement? Object(JsonElement config, string key) =>
        config.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Object ? value : null;
}
