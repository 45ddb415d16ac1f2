using System.Text.Json.Nodes;
using Exo.Kernels;
using Exo.Model.Generation;
using Exo.Model.Tests.Generation;
using Exo.Model.Weights;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.BadInput;

/// <summary>config.json of tiny models with each field removed, or made nonsense: refused by file and name, or still a model that runs.</summary>
public sealed class BadConfigTests
{
    private const long MaxManagedBytes = 256 << 20;

    private static readonly string[] _nonsense =
    [
        "null", "\"text\"", "true", "[]", "{}", "[1, \"a\"]", "-1", "0", "1", "3", "1.5", "1e300", "2147483647", "2147483648", "-2147483648", "16777216", "65536",
    ];

    [Theory, InlineData("llama"), InlineData("qwen3_moe"), InlineData("deepseek_v3")]
    public void Every_field_removed_or_made_nonsense_is_a_typed_error_or_a_model(string modelType)
    {
        using var folder = new TinyModelFolder(modelType, WeightFormat.Affine4, 31);
        JsonObject whole = folder.Model.Config;
        if (modelType == "llama") whole["rope_scaling"] = JsonNode.Parse("""{"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64}""");
        foreach ((string key, JsonNode? value) in whole.ToArray())
        {
            Try(folder, whole, key, null);
            foreach (string nonsense in _nonsense) Try(folder, whole, key, nonsense);
            if (value is not JsonObject inner) continue;
            foreach ((string innerKey, _) in inner.ToArray())
                foreach (string nonsense in _nonsense)
                {
                    var changed = (JsonObject)inner.DeepClone();
                    changed[innerKey] = JsonNode.Parse(nonsense);
                    Try(folder, whole, key, changed.ToJsonString());
                }
        }
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "expected an object")]
    [InlineData("{\"model_type\": \"llama\"", "not valid JSON")]
    [InlineData("{\"model_type\": \"mamba\", \"num_attention_heads\": 1, \"hidden_size\": 8, \"intermediate_size\": 8, \"num_hidden_layers\": 1, \"vocab_size\": 8}", "model_type: expected one of llama")]
    public void A_file_that_is_no_config_of_ours_is_refused_by_name(string text, string part)
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 1);
        File.WriteAllText(folder.ConfigFile, text);
        ModelException error = Assert.Throws<ModelException>(() => Load(folder.Path));
        Assert.Contains("config.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        File.Delete(folder.ConfigFile);
        Assert.Contains("config.json: the file is missing", Assert.Throws<ModelException>(() => Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static void Try(TinyModelFolder folder, JsonObject whole, string key, string? value)
    {
        var config = (JsonObject)whole.DeepClone();
        config.Remove(key);
        if (value is not null) config[key] = JsonNode.Parse(value);
        File.WriteAllText(folder.ConfigFile, config.ToJsonString());
        long before = GC.GetAllocatedBytesForCurrentThread();
        string name = $"{key} = {value ?? "(removed)"}";
        try
        {
            using LocalRunner runner = Load(folder.Path);
        }
        catch (Exception error) when (error is ModelException or SafetensorsException)
        {
            Assert.True(error.Message.Contains("config.json", StringComparison.Ordinal) || error.Message.Contains("model.", StringComparison.Ordinal)
                || error.Message.Contains("lm_head", StringComparison.Ordinal) || error.Message.Contains("a context of", StringComparison.Ordinal), $"{name}: {error.Message}");
        }
        catch (Exception error)
        {
            Assert.Fail($"{name}: {error}");
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < MaxManagedBytes, $"{name}: {allocated >> 20} MiB allocated");
    }

    private static LocalRunner Load(string folder) => LocalRunner.Load(new CpuDevice(1, IsaSupport.Best), folder, Arithmetic.Fast, new CacheSize(32));
}
