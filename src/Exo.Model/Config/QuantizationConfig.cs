using System.Text.Json;

namespace Exo.Model;

/// <summary>MLX's affine quantization: bits and group size of a module, per module where the file says so.</summary>
public sealed class QuantizationConfig
{
    private readonly Dictionary<string, (int Bits, int GroupSize)?> _modules = [];

    private QuantizationConfig(int bits, int groupSize) => Default = (bits, groupSize);

    /// <summary>Bits and group size where a module has no entry of its own.</summary>
    public (int Bits, int GroupSize) Default { get; }

    /// <summary>Bits and group size of a module ("model.layers.0.mlp.gate"); null = not quantized.</summary>
    public (int Bits, int GroupSize)? Of(string module) => _modules.TryGetValue(module, out var own) ? own : Default;

    internal static QuantizationConfig? Read(ConfigReader config)
    {
        if (config.Object("quantization") is not { } quantization)
        {
            if (config.Object("quantization_config") is { } other && !other.Has("bits") || config.Object("quantization_config")?.Has("quant_method") == true)
                throw config.Refuse("quantization_config", "MLX affine quantization (bits, group_size)", config.Element("quantization_config")!.Value.GetRawText());
            if (config.Object("quantization_config") is not { } mlx) return null;
            quantization = mlx;
        }
        string mode = quantization.Text("mode", "affine")!;
        if (mode != "affine") throw quantization.Refuse("mode", "affine", mode);
        var result = new QuantizationConfig(quantization.Int("bits"), quantization.Int("group_size"));
        foreach (JsonProperty property in quantization.Properties)
        {
            if (property.Value.ValueKind == JsonValueKind.False) result._modules[property.Name] = null;
            if (property.Value.ValueKind != JsonValueKind.Object) continue;
            ConfigReader own = quantization.Object(property.Name)!.Value;
            result._modules[property.Name] = (own.Int("bits", result.Default.Bits), own.Int("group_size", result.Default.GroupSize));
        }
        return result;
    }
}
