using Exo.Model.Weights;
using Exo.Testing;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class SafetensorsModelTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(1000L, 1)]
    [InlineData(16L, 3)]
    [InlineData(1L, 3)]
    [InlineData(32L, 2)]
    public void Shards_hold_whole_tensors_and_read_as_one_model(long maxShardBytes, int numFiles)
    {
        WriteModel(maxShardBytes);
        using var model = SafetensorsModel.Open(_scratch.Root);
        Assert.Equal(numFiles, model.Shards.Count);
        Assert.Equal(["a", "b", "c"], model.Names.Order());
        foreach (string name in model.Names) Assert.Equal([name[0], 2, 3, 4], HostTensor.ReadFloats(model.Get(name)));
        Assert.Throws<SafetensorsException>(() => model.Get("d"));
    }

    [Fact]
    public void A_folder_without_weights_is_refused() =>
        Assert.Contains(_scratch.Root, Assert.Throws<SafetensorsException>(() => SafetensorsModel.Open(_scratch.Root)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_missing_shard_is_named()
    {
        WriteModel(16);
        File.Delete(_scratch.PathOf("model-00002-of-00003.safetensors"));
        var e = Assert.Throws<SafetensorsException>(() => SafetensorsModel.Open(_scratch.Root));
        Assert.Contains("model-00002-of-00003.safetensors", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model-00001-of-00003.safetensors\"", "model-00002-of-00003.safetensors\"", "which does not have it")]
    [InlineData("\"a\"", "\"other\"", "not in model.safetensors.index.json")]
    [InlineData("model-00001-of-00003.safetensors", "../model-00001-of-00003.safetensors", "plain name")]
    [InlineData("model-00001-of-00003.safetensors", "/etc/passwd", "plain name")]
    [InlineData("\"model-00001-of-00003.safetensors\"", "7", "plain name")]
    [InlineData("weight_map", "weights", "weight_map")]
    [InlineData("\"b\"", "\"a\"", "cannot be read")]
    [InlineData("{", "[", "cannot be read")]
    public void A_wrong_index_is_refused(string old, string wrong, string expected)
    {
        WriteModel(16);
        string path = _scratch.PathOf(SafetensorsModel.IndexFileName);
        string index = File.ReadAllText(path);
        Assert.Contains(old, index, StringComparison.Ordinal);
        File.WriteAllText(path, index.Replace(old, wrong, StringComparison.Ordinal));
        var e = Assert.Throws<SafetensorsException>(() => SafetensorsModel.Open(_scratch.Root));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [SharedFact]
    public void Every_golden_checkpoint_opens()
    {
        foreach (string folder in Directory.GetDirectories(SharedFolder.PathOf("golden", "checkpoints")))
        {
            using var model = SafetensorsModel.Open(folder);
            Assert.NotEmpty(model.Names);
        }
    }

    private void WriteModel(long maxShardBytes)
    {
        string[] names = ["a", "b", "c"];
        using var writer = new ShardedSafetensorsWriter(
            _scratch.Root, [.. names.Select(n => new TensorSpec(n, SafetensorsDtype.F32, [4]))], maxShardBytes);
        foreach (string name in names) writer.Append(name, SafetensorsFileTests.Floats(name[0], 2, 3, 4));
        writer.Finish();
    }
}
