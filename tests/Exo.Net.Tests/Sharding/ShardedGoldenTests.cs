using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Net.Cluster;
using Exo.Testing;
using Xunit;

namespace Exo.Net.Tests.Sharding;

/// <summary>Reference outputs from a split model, and the bytes that each rank loads.</summary>
public sealed class ShardedGoldenTests
{
    public static TheoryData<string> Checkpoints =>
        ["llama-odd", "qwen3", "qwen3-moe", "mlx-4bit-qwen3-moe", "deepseek-v3", "deepseek-v3-noq", "kimi-k2"];

    [Theory, MemberData(nameof(Checkpoints))]
    public void Split_logits_are_within_tolerance_of_the_reference(string name)
    {
        GoldenCheckpoint golden = GoldenCheckpoint.Load(name);
        foreach (ExpertSplit experts in Enum.GetValues<ExpertSplit>())
        {
            using ThreadedRunner runner = Load(golden.Folder, new SplitLayout([3, 1], [2, 1]), experts);
            double distance = golden.Distance(Logits(runner, golden.InputIds));
            Assert.True(distance <= 1e-4, $"{name}, experts by {experts}: {distance:E2} standard deviations from the reference");
        }
    }

    [Fact]
    public void A_rank_loads_only_its_own_slices()
    {
        string folder = GoldenCheckpoint.Load("llama-f32").Folder; // its MLP has five units: one rank gets three
        using ThreadedRunner whole = Load(folder, new SplitLayout([1], [1]), ExpertSplit.Leaves);
        using ThreadedRunner split = Load(folder, new SplitLayout([1, 1], [1]), ExpertSplit.Leaves);
        Assert.All(split.WeightBytes, bytes => Assert.InRange(bytes, whole.WeightBytes[0] * 0.4, whole.WeightBytes[0] * 0.6));
    }

    [Fact]
    public void A_rank_that_cannot_load_is_an_error_and_leaves_nothing_running()
    {
        string folder = Path.Combine(SharedFolder.Golden, "checkpoints", "llama-f32");
        var error = Assert.Throws<ModelException>(() => Load(folder, new SplitLayout([1], [1, 1, 1, 1]), ExpertSplit.Leaves));
        Assert.Contains("4 pipeline stages for 3 layers", error.Message, StringComparison.Ordinal);
    }

    private static ThreadedRunner Load(string folder, SplitLayout layout, ExpertSplit experts) =>
        ThreadedRunner.Load(folder, layout, experts, Arithmetic.Exact, new CacheSize(64), () => new CpuDevice(1, IsaSupport.Best));

    private static List<float[]> Logits(ThreadedRunner runner, int[] ids)
    {
        var plan = new StepPlan();
        SequenceStep sequence = plan.AddSequence();
        sequence.Ids.AddRange(ids);
        sequence.Pages.AddRange(Enumerable.Range(0, (ids.Length + KvLayout.PageSize - 1) / KvLayout.PageSize));
        sequence.Outputs.AddRange(Enumerable.Range(0, ids.Length).Select(row => new OutputRow(row, OutputKind.Logits)));
        runner.Submit(plan);
        return [.. runner.Take().Logits];
    }
}
