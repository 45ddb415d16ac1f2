using Exo.Model;
using Exo.Model.Weights;
using Exo.Testing;
using Exo.WeightsTools.Import;
using Exo.WeightsTools.Running;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class LogitsTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [SharedTheory]
    [InlineData("f32")]
    [InlineData("f16")]
    [InlineData("bf16")]
    [InlineData("q4_0")]
    [InlineData("q4_1")]
    [InlineData("q5_0")]
    [InlineData("q5_1")]
    [InlineData("q8_0")]
    public void An_imported_model_has_the_golden_logits(string type)
    {
        string folder = _scratch.PathOf("model");
        GgufImporter.Import(SharedFolder.PathOf("golden", "gguf", $"tiny-llama-{type}.gguf"), folder, new ImportOptions());
        string goldenPath = SharedFolder.PathOf("golden", "gguf", $"tiny-llama-{type}.golden.safetensors");
        using var golden = SafetensorsFile.Open(goldenPath);
        float[] expected = HostTensor.ReadFloats(golden.Get("logits"));
        int[] ids = InputIds.Read(goldenPath);
        using LogitsRun run = LogitsRun.Load(folder, Arithmetic.Exact, ids.Length);
        float[] logits = [.. run.Next(ids.AsSpan(0, 30)).SelectMany(row => row)];
        logits = [.. logits, .. run.Next(ids.AsSpan(30)).SelectMany(row => row)];
        Assert.Equal(expected.Length, logits.Length);
        double mean = expected.Average(l => (double)l), deviation = Math.Sqrt(expected.Average(l => (l - mean) * (l - mean)));
        double largest = expected.Zip(logits, (a, b) => Math.Abs((double)a - b)).Max();
        Assert.True(largest <= 5e-5 * deviation, $"{largest / deviation} standard deviations");
    }

    [Fact]
    public void A_comparison_adds_up_what_two_models_say()
    {
        var comparison = new LogitsComparison();
        comparison.Add([0, 0], [0, 0]);
        comparison.Add([(float)Math.Log(3), 0], [0, (float)Math.Log(3)]); // P = (3/4, 1/4), Q = (1/4, 3/4): KL = ln(3) / 2
        Assert.Equal(2, comparison.NumRows);
        Assert.Equal(0.5, comparison.Agreement);
        Assert.Equal(Math.Log(3), comparison.LargestDifference, 1e-6);
        Assert.Equal(Math.Log(3) / 2, comparison.LargestDivergence, 1e-6);
        Assert.Equal(Math.Log(3) / 4, comparison.MeanDivergence, 1e-6);
        Assert.Equal(Math.Log(3) * Math.Sqrt(3) / 4, comparison.Deviation, 1e-6); // of 0, 0, ln(3), 0
    }

    [Fact]
    public void Equal_logits_choose_the_lower_id() => Assert.Equal(1, LogitsRun.ArgMax([-1, 5, 5, 0]));

    [Fact]
    public void A_sequence_longer_than_the_model_is_refused()
    {
        var e = Assert.Throws<Exo.WeightsTools.WeightsToolException>(() => LogitsRun.Load(SharedFolder.DefaultModel, Arithmetic.Fast, 8193));
        Assert.Contains("at most 8192 positions, got 8193", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SafetensorsDtype.F32, new long[] { 2 }, "integer type")]
    [InlineData(SafetensorsDtype.I64, new long[] { 0 }, "T > 0")]
    [InlineData(SafetensorsDtype.I64, new long[] { 2, 2 }, "expected [T]")]
    [InlineData(SafetensorsDtype.I64, new long[] { 2 }, "got -1")]
    public void Input_that_is_no_sequence_is_refused(SafetensorsDtype dtype, long[] shape, string expected)
    {
        string path = _scratch.PathOf("in.safetensors");
        var spec = new TensorSpec("input_ids", dtype, shape);
        using (var writer = new SafetensorsWriter(path, [spec]))
        {
            byte[] bytes = new byte[spec.ByteLength];
            bytes.AsSpan().Fill(255);
            writer.Append("input_ids", bytes);
            writer.Finish();
        }
        Assert.Contains(expected, Assert.Throws<SafetensorsException>(() => InputIds.Read(path)).Message, StringComparison.Ordinal);
    }
}
