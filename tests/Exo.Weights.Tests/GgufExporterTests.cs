using Exo.Model.Weights;
using Exo.Testing;
using Exo.WeightsTools;
using Exo.WeightsTools.Export;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Import;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class GgufExporterTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_bundled_model_goes_to_gguf_and_back_unchanged()
    {
        Assert.Empty(Export(SharedFolder.DefaultModel));
        using (GgufFile file = GgufFile.Open(_scratch.PathOf("model.gguf")))
        {
            Assert.True(file.TryGet("token_embd.weight", out GgufTensor embeddings));
            Assert.Equal(GgmlType.Q8_0, embeddings.Type);
            Assert.True(file.TryGet("blk.0.attn_q.weight", out GgufTensor query));
            Assert.Equal(GgmlType.Q4_1, query.Type);
            Assert.Equal("smollm", file.Metadata.Get<string>("tokenizer.ggml.pre"));
        }
        GgufImporter.Import(_scratch.PathOf("model.gguf"), _scratch.PathOf("back"), new ImportOptions { MaxShardBytes = 48_000_000 });
        foreach (string name in new[] { "config.json", "tokenizer.json", "generation_config.json", "tokenizer_config.json" })
            Assert.Equal(File.ReadAllText(Path.Combine(SharedFolder.DefaultModel, name)), File.ReadAllText(Path.Combine(_scratch.PathOf("back"), name)));
        AssertSameTensors(SharedFolder.DefaultModel, _scratch.PathOf("back"));
    }

    [SharedTheory]
    [InlineData("llama-f32")]
    [InlineData("llama-tied-sharded")]
    [InlineData("llama3-rope")]
    [InlineData("llama-yarn")]
    [InlineData("llama-odd")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void A_checkpoint_goes_to_gguf_and_back_with_the_same_values(string name)
    {
        string folder = SharedFolder.PathOf("golden", "checkpoints", name);
        Assert.Empty(Export(folder));
        GgufImporter.Import(_scratch.PathOf("model.gguf"), _scratch.PathOf("back"), new ImportOptions { Format = ImportFormat.F32 });
        AssertSameTensors(folder, _scratch.PathOf("back"));
        using Checkpoint before = Checkpoint.Open(folder);
        using Checkpoint after = Checkpoint.Open(_scratch.PathOf("back"));
        Assert.Equal(before.Config.TryGetProperty("rope_scaling", out _), after.Config.TryGetProperty("rope_scaling", out _));
    }

    [SharedFact]
    public void Affine_weights_that_are_not_symmetric_become_Q4_1_with_the_same_values()
    {
        string folder = SharedFolder.PathOf("golden", "checkpoints", "mlx-4bit");
        Assert.Empty(Export(folder));
        using GgufFile file = GgufFile.Open(_scratch.PathOf("model.gguf"));
        Assert.All(file.Tensors.Where(t => t.Rows > 1), t => Assert.Equal(GgmlType.Q4_1, t.Type));
        AssertDequantized(folder, file);
    }

    [SharedFact]
    public void Affine_weights_that_no_block_holds_become_float_with_the_same_values_and_are_named()
    {
        string folder = SharedFolder.PathOf("golden", "checkpoints", "mlx-8bit");
        IReadOnlyList<string> notes = Export(folder);
        Assert.Contains(notes, n => n.StartsWith("blk.0.ffn_down.weight became F32", StringComparison.Ordinal));
        using GgufFile file = GgufFile.Open(_scratch.PathOf("model.gguf"));
        AssertDequantized(folder, file);
    }

    [SharedTheory]
    [InlineData("gemma2")]
    [InlineData("llama-dynamic")]
    [InlineData("qwen3-moe")] // it has a dense layer among the experts
    public void What_gguf_cannot_state_is_refused_and_leaves_nothing(string name)
    {
        Assert.Throws<WeightsToolException>(() => Export(SharedFolder.PathOf("golden", "checkpoints", name)));
        Assert.Empty(Directory.GetFileSystemEntries(_scratch.Root));
    }

    private IReadOnlyList<string> Export(string folder) =>
        GgufExporter.Export(folder, _scratch.PathOf("model.gguf"), (_, work) => work(_ => { }));

    private static void AssertSameTensors(string expectedFolder, string folder)
    {
        using var expected = SafetensorsModel.Open(expectedFolder);
        using var model = SafetensorsModel.Open(folder);
        Assert.Equal(expected.Names.Order(), model.Names.Order());
        foreach (TensorView tensor in expected.Tensors)
        {
            TensorView other = model.Get(tensor.Name);
            Assert.Equal(tensor.Shape, other.Shape);
            if (tensor.Dtype == SafetensorsDtype.U32) Assert.True(Bytes(tensor).SequenceEqual(Bytes(other)), tensor.Name);
            else Assert.Equal(HostTensor.ReadFloats(tensor), HostTensor.ReadFloats(other));
        }
    }

    private static ReadOnlySpan<byte> Bytes(TensorView tensor) => tensor.Bytes(0, checked((int)tensor.ByteLength));

    // The golden values of one MLP and one attention weight, as the GGUF file has them (neither is rotated).
    private static void AssertDequantized(string folder, GgufFile file)
    {
        using var golden = SafetensorsFile.Open(Path.Combine(folder, "dequantized.safetensors"));
        foreach ((string name, string ggufName) in new[]
            { ("model.layers.0.mlp.down_proj.weight", "blk.0.ffn_down.weight"), ("model.layers.1.self_attn.o_proj.weight", "blk.1.attn_output.weight") })
        {
            Assert.True(file.TryGet(ggufName, out GgufTensor tensor));
            byte[] bytes = new byte[tensor.ByteLength];
            file.ReadRows(tensor, 0, bytes);
            float[] values = new float[tensor.Rows * tensor.Columns];
            GgmlBlocks.Dequantize(tensor.Type, bytes, values);
            Assert.Equal(HostTensor.ReadFloats(golden.Get(name)), values);
        }
    }
}
