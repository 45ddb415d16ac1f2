using System.Text.Json;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;

namespace Exo.WeightsTools;

/// <summary>A checkpoint folder: its config, and its tensors by module, quantized or not.</summary>
public sealed class Checkpoint : IDisposable
{
    private const long MaxConfigBytes = 16 << 20;

    private readonly JsonDocument _config;

    private Checkpoint(string folder, JsonDocument config, SafetensorsModel model)
    {
        Folder = folder;
        _config = config;
        Model = model;
    }

    public string Folder { get; }

    public JsonElement Config => _config.RootElement;

    public SafetensorsModel Model { get; }

    public string ConfigPath => Path.Combine(Folder, "config.json");

    /// <exception cref="WeightsToolException">config.json is missing or no JSON object.</exception>
    /// <exception cref="SafetensorsException">The weights cannot be opened.</exception>
    public static Checkpoint Open(string folder)
    {
        JsonDocument config = ReadJson(Path.Combine(folder, "config.json"));
        try
        {
            return new Checkpoint(folder, config, SafetensorsModel.Open(folder));
        }
        catch
        {
            config.Dispose();
            throw;
        }
    }

    /// <summary>A JSON object from a file of at most 16 MB.</summary>
    public static JsonDocument ReadJson(string path, long maxBytes = MaxConfigBytes)
    {
        if (!File.Exists(path)) throw new WeightsToolException($"{path}: expected, but there is no such file");
        long length = new FileInfo(path).Length;
        if (length > maxBytes) throw new WeightsToolException($"{path}: expected at most {maxBytes} bytes, got {length}");
        try
        {
            JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            throw new WeightsToolException($"{path}: expected a JSON object, got {document.RootElement.ValueKind}");
        }
        catch (JsonException e)
        {
            throw new WeightsToolException($"{path}: expected a JSON object: {e.Message}");
        }
    }

    /// <summary>A positive number of config.json, or null if the key is missing.</summary>
    public double? PositiveNumber(JsonElement part, string key)
    {
        if (!part.TryGetProperty(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
        return value.ValueKind == JsonValueKind.Number && value.GetDouble() is double number and > 0 and <= uint.MaxValue
            ? number
            : throw new WeightsToolException($"{ConfigPath}: {key}: expected a positive number, got {value.GetRawText()}");
    }

    /// <summary>The affine format of a module (a name without ".weight"); null if it is not quantized so.</summary>
    public AffineFormat? AffineFormatOf(string module)
    {
        if (!AffineTensor.Exists(Model, module)) return null;
        if (!Config.TryGetProperty("quantization", out JsonElement quantization) || quantization.ValueKind != JsonValueKind.Object)
            throw new WeightsToolException($"{ConfigPath}: quantization: expected an object, for {module} has scales and biases");
        JsonElement own = quantization.TryGetProperty(module, out JsonElement entry) && entry.ValueKind == JsonValueKind.Object ? entry : quantization;
        if (own.TryGetProperty("bits", out JsonElement bits) && bits.TryGetInt32(out int numBits)
            && own.TryGetProperty("group_size", out JsonElement group) && group.TryGetInt32(out int groupSize))
        {
            try
            {
                return new AffineFormat(numBits, groupSize);
            }
            catch (ArgumentOutOfRangeException e)
            {
                throw new WeightsToolException($"{ConfigPath}: quantization: {module}: {e.Message}");
            }
        }
        throw new WeightsToolException($"{ConfigPath}: quantization: {module}: expected the numbers bits and group_size");
    }

    /// <summary>The affine tensor of a module, or null if it is not quantized so.</summary>
    public AffineTensor? OpenAffine(string module) =>
        AffineFormatOf(module) is AffineFormat format ? AffineTensor.Open(Model, module, format) : null;

    public void Dispose()
    {
        Model.Dispose();
        _config.Dispose();
    }
}
