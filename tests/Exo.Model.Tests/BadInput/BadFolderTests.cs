using Exo.Kernels;
using Exo.Model.Generation;
using Exo.Model.Tests.Generation;
using Exo.Model.Text;
using Exo.Model.Weights;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.BadInput;

/// <summary>Damaged weights, tokenizers and names: typed errors that say which, and nothing stays open behind them.</summary>
public sealed class BadFolderTests
{
    [Fact]
    public void Weights_cut_off_anywhere_are_refused_with_their_file()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 6);
        byte[] whole = File.ReadAllBytes(folder.WeightsFile);
        foreach (int length in new[] { 0, 7, 8, 100, (whole.Length / 2) + 1, whole.Length - 1 })
        {
            File.WriteAllBytes(folder.WeightsFile, whole[..length]);
            Assert.Contains("model.safetensors", Fails<SafetensorsException>(folder.Path), StringComparison.Ordinal);
        }
        File.Delete(folder.WeightsFile);
        Assert.Contains("found neither", Fails<SafetensorsException>(folder.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void Headers_with_flipped_bytes_are_refused_or_still_a_model()
    {
        using var folder = new TinyModelFolder("qwen3", WeightFormat.Affine4, 8);
        byte[] whole = File.ReadAllBytes(folder.WeightsFile);
        int headerBytes = (int)BitConverter.ToInt64(whole);
        var random = new Random(17);
        int refused = 0;
        for (int i = 0; i < 400; i++)
        {
            byte[] damaged = [.. whole];
            damaged[random.Next(8 + headerBytes)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(folder.WeightsFile, damaged);
            try
            {
                Load(folder.Path).Dispose();
            }
            catch (Exception error) when (error is SafetensorsException or ModelException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 200, 400);
    }

    [Theory]
    [InlineData("model.layers.0.mlp.up_proj.weight")]
    [InlineData("model.layers.0.self_attn.o_proj.weight")]
    [InlineData("model.layers.0.input_layernorm.weight")]
    [InlineData("model.embed_tokens.weight")]
    [InlineData("model.norm.weight")]
    public void A_tensor_that_is_missing_or_of_another_shape_is_named_with_its_file(string tensor)
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 6);
        byte[] whole = File.ReadAllBytes(folder.WeightsFile);
        Rename(folder.WeightsFile, whole, tensor);
        Assert.Contains(tensor, Fails<SafetensorsException>(folder.Path), StringComparison.Ordinal);
        File.WriteAllBytes(folder.WeightsFile, whole);

        folder.Model.Config["hidden_size"] = folder.Model.HiddenSize + 32;
        File.WriteAllText(folder.ConfigFile, folder.Model.Config.ToJsonString());
        string message = Fails<ModelException>(folder.Path);
        Assert.Matches(@"model\.embed_tokens\.weight: expected .*, got .*model\.safetensors", message);
    }

    [Fact]
    public void A_tokenizer_that_is_missing_damaged_or_too_large_is_refused_before_weights_are_touched()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 6);
        string tokenizer = Path.Combine(folder.Path, "tokenizer.json");
        Assert.Contains("tokenizer.json", Refused<TokenizerException>(), StringComparison.Ordinal);
        File.WriteAllText(tokenizer, "{\"model\": {\"type\": \"BPE\", \"vocab\": ");
        Assert.Contains("tokenizer.json", Refused<TokenizerException>(), StringComparison.Ordinal);
        File.WriteAllText(tokenizer, "{\"model\": {\"type\": \"Unigram\", \"vocab\": []}}");
        Assert.Contains("tokenizer.json", Refused<TokenizerException>(), StringComparison.Ordinal);
        File.Copy(Path.Combine(SharedFolder.DefaultModel, "tokenizer.json"), tokenizer, overwrite: true);
        Assert.Contains("vocab_size", Refused<ModelException>(), StringComparison.Ordinal); // 49,152 ids for a tiny model

        string Refused<TError>()
            where TError : Exception
        {
            var device = new CpuDevice(1, IsaSupport.Best);
            return Assert.Throws<TError>(() => Engine.Load(device, folder.Path)).Message;
        }
    }

    [Fact]
    public void A_cancelled_load_leaves_nothing_behind()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 2, minLayers: 3);
        using var cancel = new CancellationTokenSource();
        var progress = new CancelAfterTwo(cancel);
        Assert.Throws<OperationCanceledException>(
            () => LocalRunner.Load(new CpuDevice(1, IsaSupport.Best), folder.Path, Arithmetic.Fast, new CacheSize(32), progress, cancel.Token));
        AssertNotMapped(folder.Path);
    }

    [Fact]
    public void A_cache_beyond_the_memory_is_refused_with_the_sizes()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 2);
        ModelException error = Assert.Throws<ModelException>(
            () => LocalRunner.Load(new CpuDevice(1, IsaSupport.Best), folder.Path, Arithmetic.Fast, new CacheSize(int.MaxValue)));
        Assert.Contains("MiB of cache", error.Message, StringComparison.Ordinal);
        AssertNotMapped(folder.Path);
    }

    [Theory, InlineData(""), InlineData("  "), InlineData("a\0b"), InlineData("no-such-model"), InlineData("/no/such/folder")]
    public void A_model_that_is_nowhere_is_refused_with_the_places(string model)
    {
        string message = Assert.Throws<ModelException>(() => ModelLocator.Find(model)).Message;
        if (model.Contains("no", StringComparison.Ordinal)) Assert.Contains("looked in", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Next_token_layers_of_published_checkpoints_are_left_out()
    {
        using var folder = new TinyModelFolder("deepseek_v3", WeightFormat.BF16, 12, minLayers: 2);
        int[] ids = folder.Model.Ids(12);

        // Read with one layer less, the checkpoint has a layer beyond num_hidden_layers, as DeepSeek's files do.
        string extra = $"model.layers.{folder.Model.NumLayers - 1}.";
        folder.Model.Config["num_hidden_layers"] = folder.Model.NumLayers - 1;
        folder.Model.Config["num_nextn_predict_layers"] = 1;
        File.WriteAllText(folder.ConfigFile, folder.Model.Config.ToJsonString());
        using (SafetensorsModel checkpoint = SafetensorsModel.Open(folder.Path))
            Assert.Contains(checkpoint.Names, name => name.StartsWith(extra, StringComparison.Ordinal));
        List<float[]> withExtra = Logits();

        string header = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(folder.WeightsFile));
        File.WriteAllBytes(folder.WeightsFile, System.Text.Encoding.Latin1.GetBytes(header.Replace(extra, new string('x', extra.Length), StringComparison.Ordinal)));
        Assert.Equal(Logits(), withExtra);

        List<float[]> Logits()
        {
            using var model = new ModelHarness(new CpuDevice(1, IsaSupport.Best), folder.Path, Arithmetic.Exact);
            return model.Logits(ids, 12);
        }
    }

    private static string Fails<TError>(string folder)
        where TError : Exception
    {
        string message = Assert.Throws<TError>(() => Load(folder)).Message;
        AssertNotMapped(folder);
        return message;
    }

    /// <summary>Linux lists the mapped files of a process; elsewhere deleting the folder would fail.</summary>
    private static void AssertNotMapped(string folder)
    {
        if (File.Exists("/proc/self/maps")) Assert.DoesNotContain(folder, File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    /// <summary>Gives a tensor another name of the same length, in the header.</summary>
    private static void Rename(string path, byte[] whole, string tensor)
    {
        byte[] changed = [.. whole];
        int at = changed.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes($"\"{tensor}\""));
        Assert.True(at > 0, $"{tensor} is not in the header");
        changed[at + 1] = (byte)'X';
        File.WriteAllBytes(path, changed);
    }

    private static LocalRunner Load(string folder) => LocalRunner.Load(new CpuDevice(1, IsaSupport.Best), folder, Arithmetic.Fast, new CacheSize(32));

    private sealed class CancelAfterTwo(CancellationTokenSource cancel) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value)
        {
            if (value.Done == 2) cancel.Cancel();
        }
    }
}
