using Exo.Kernels;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Golden;

/// <summary>Every architecture beside Hugging Face's reference outputs, on each kind of CPU device.</summary>
public abstract class GoldenTests
{
    public static TheoryData<string, double> Checkpoints => new()
    {
        { "llama-f32", 5e-5 }, { "llama-tied-sharded", 5e-5 }, { "llama3-rope", 5e-5 }, { "llama-yarn", 5e-5 }, { "llama-dynamic", 5e-5 },
        { "llama-bias-linear", 5e-5 }, { "llama-odd", 5e-5 }, { "mlx-4bit", 1e-4 }, { "mlx-8bit", 1e-4 }, { "qwen3", 1e-4 },
        { "qwen3-moe", 1e-4 }, { "mlx-4bit-qwen3-moe", 1e-4 }, { "deepseek-v3", 1e-4 }, { "deepseek-v3-noq", 1e-4 }, { "kimi-k2", 1e-4 },
    };

    protected abstract Device CreateDevice();

    [Theory, MemberData(nameof(Checkpoints))]
    public void Logits_are_within_tolerance_of_the_reference(string name, double tolerance)
    {
        GoldenCheckpoint golden = GoldenCheckpoint.Load(name);
        using var model = new ModelHarness(CreateDevice(), golden.Folder, Arithmetic.Exact);
        double distance = golden.Distance(model.Logits(golden.InputIds, golden.InputIds.Length));
        Assert.True(distance <= tolerance, $"{name}: {distance:E2} standard deviations from the reference, allowed {tolerance:E0}");
    }

    [Theory, MemberData(nameof(Checkpoints))]
    public void Greedy_continuation_is_the_references(string name, double _)
    {
        GoldenCheckpoint golden = GoldenCheckpoint.Load(name);
        using var model = new ModelHarness(CreateDevice(), golden.Folder, Arithmetic.Exact);
        Assert.Equal(golden.GreedyIds, model.Greedy(golden.InputIds.AsSpan(0, golden.GreedyPromptLength), golden.GreedyIds.Length));
    }
}

public sealed class ReferenceDeviceGoldenTests : GoldenTests
{
    protected override Device CreateDevice() => new ReferenceDevice();
}

public sealed class CpuDeviceGoldenTests : GoldenTests
{
    protected override Device CreateDevice() => new CpuDevice(2, IsaSupport.Best);
}
