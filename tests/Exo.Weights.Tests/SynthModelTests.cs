using Exo.Model.Text;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools;
using Exo.WeightsTools.Export;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Synth;
using Exo.WeightsTools.Verify;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class SynthModelTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("llama-1b", 1.10e9)]
    [InlineData("smollm2-135m", 1.345e8)]
    [InlineData("moe-small", 8.07e8)]
    public void Shapes_have_the_parameters_that_they_promise(string name, double expected)
    {
        double count = SynthShapes.Get(name).Tensors().Sum(t => t.Shape.Aggregate(1.0, (a, b) => a * b));
        Assert.InRange(count, expected * 0.99, expected * 1.01);
    }

    [Theory]
    [InlineData(SynthFormat.BF16, GgmlType.BF16)]
    [InlineData(SynthFormat.Q8, GgmlType.Q8_0)]
    [InlineData(SynthFormat.Q4, GgmlType.Q4_0)]
    public void A_random_model_is_whole_symmetric_and_exports_without_loss(SynthFormat format, GgmlType type)
    {
        foreach (CheckpointShape shape in new[] { Tiny, TinyMoe })
        {
            string folder = Make(shape, format, seed: 7, shape.ModelType);
            Verification verification = Verifier.Verify(folder, _ => { });
            Assert.Empty(verification.Problems);
            Assert.Empty(verification.Notes);
            Assert.Equal("héllo", Tokenizer.Load(folder).Decode(Tokenizer.Load(folder).Encode("héllo")));
            string gguf = _scratch.PathOf($"{shape.ModelType}.gguf");
            Assert.Empty(GgufExporter.Export(folder, gguf, (_, work) => work(_ => { })));
            using GgufFile file = GgufFile.Open(gguf);
            Assert.All(file.Tensors.Where(t => t.Rows > 1 && !t.Name.Contains("gate_inp", StringComparison.Ordinal)), t => Assert.Equal(type, t.Type));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_model_and_another_one_another()
    {
        byte[] Weights(ulong seed, string name) =>
            File.ReadAllBytes(Path.Combine(Make(Tiny, SynthFormat.Q4, seed, name), SafetensorsModel.SingleFileName));
        byte[] first = Weights(1, "a");
        Assert.Equal(first, Weights(1, "b"));
        Assert.NotEqual(first, Weights(2, "c"));
    }

    [Theory]
    [InlineData(SynthFormat.BF16)]
    [InlineData(SynthFormat.Q8)]
    [InlineData(SynthFormat.Q4)]
    public void Weights_have_mean_zero_and_keep_the_size_of_activations(SynthFormat format)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Make(Tiny, format, 3, "m"));
        const string Module = "model.layers.0.mlp.down_proj";
        float[] values = checkpoint.OpenAffine(Module) is AffineTensor affine
            ? affine.Dequantize()
            : HostTensor.ReadFloats(checkpoint.Model.Get(Module + ".weight"));
        double mean = values.Average(), deviation = Math.Sqrt(values.Average(v => (double)v * v)) * Math.Sqrt(Tiny.IntermediateSize);
        Assert.InRange(mean * Math.Sqrt(Tiny.IntermediateSize), -0.05, 0.05);
        Assert.InRange(deviation, 0.9, 1.1);
    }

    private static CheckpointShape Tiny { get; } = new()
    {
        ModelType = "llama",
        VocabSize = 320,
        HiddenSize = 64,
        IntermediateSize = 96,
        NumHiddenLayers = 2,
        NumAttentionHeads = 4,
        NumKeyValueHeads = 2,
        HeadDim = 16,
        TieWordEmbeddings = false,
    };

    private static CheckpointShape TinyMoe { get; } = Tiny with
    {
        ModelType = "qwen3_moe",
        NumExperts = 3,
        MoeIntermediateSize = 32,
    };

    private string Make(CheckpointShape shape, SynthFormat format, ulong seed, string name)
    {
        string folder = _scratch.PathOf(name);
        SynthModel.Write(shape, format, seed, folder, (_, work) => work(_ => { }));
        return folder;
    }
}
