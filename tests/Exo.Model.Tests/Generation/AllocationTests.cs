using Exo.Kernels;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Model.Weights;
using Xunit;

namespace Exo.Model.Tests.Generation;

/// <summary>In steady state a decode step allocates nothing on the managed heap, on any thread of the device.</summary>
public sealed class AllocationTests
{
    private const int Prompt = 24, Warmup = 40, Measured = 60;

    [Theory]
    [InlineData("llama", WeightFormat.BF16)]
    [InlineData("llama", WeightFormat.Affine4)]
    [InlineData("qwen3", WeightFormat.Affine8)]
    [InlineData("qwen3_moe", WeightFormat.Affine4)]
    [InlineData("deepseek_v3", WeightFormat.BF16)]
    public void A_decode_step_allocates_nothing(string modelType, WeightFormat format)
    {
        using var folder = new TinyModelFolder(modelType, format, 4);
        AssertNothingAllocated(folder);
    }

    [Fact]
    public void A_rope_that_depends_on_the_length_allocates_nothing_either()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 4);
        folder.Model.Config["rope_scaling"] = new System.Text.Json.Nodes.JsonObject
        {
            ["rope_type"] = "dynamic",
            ["factor"] = 2.0,
            ["original_max_position_embeddings"] = 32,
        };
        File.Delete(folder.WeightsFile);
        folder.Model.Write(folder.Path);
        AssertNothingAllocated(folder);
    }

    private static void AssertNothingAllocated(TinyModelFolder folder)
    {
        using var device = new CpuDevice(2, IsaSupport.Best);
        var context = new ModelContext(device, ModelConfig.Load(folder.Path), Shard.Whole, Arithmetic.Fast);
        using SafetensorsModel checkpoint = SafetensorsModel.Open(folder.Path);
        using RankRunner runner = RankRunner.Load(context, checkpoint, new CacheSize(128, 2), null, CancellationToken.None);
        var plan = new StepPlan();
        var result = new StepResult();
        int[] prompt = folder.Model.Ids(Prompt);
        var last = new int[2];
        for (int position = 0; position < Prompt + Warmup; position += position == 0 ? Prompt : 1) Step(position);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int position = Prompt + Warmup; position < Prompt + Warmup + Measured; position++) Step(position);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        // Two sequences, one greedy with log probabilities, one with everything that sampling has; each admitted for another length.
        void Step(int position)
        {
            plan.Clear();
            for (int s = 0; s < 2; s++)
            {
                SequenceStep step = plan.AddSequence();
                (step.SequenceId, step.FirstPosition, step.AdmittedLimit) = (s, position, 126 + s);
                if (position == 0) step.Start = new SequenceStart(s == 0 ? Greedy() : Noisy(), Prompt, prompt);
                if (position == 0) step.Ids.AddRange(prompt);
                else step.Ids.Add(last[s]);
                for (int page = 0; page < 8; page++) step.Pages.Add((8 * s) + page);
                step.Outputs.Add(new OutputRow(step.Ids.Count - 1, OutputKind.Sample));
            }
            runner.Run(plan, result);
            for (int s = 0; s < 2; s++) last[s] = result.Tokens[s].Id;
        }
    }

    private static SamplingSettings Greedy() => new() { NumTopLogprobs = 2 };

    private static SamplingSettings Noisy() => new()
    {
        Temperature = 0.9,
        TopK = 15,
        TopP = 0.9,
        MinP = 0.01,
        RepetitionPenalty = 1.1f,
        FrequencyPenalty = 0.1f,
        LogitBias = new Dictionary<int, float> { [3] = 1 },
        NumTopLogprobs = 4,
    };
}
