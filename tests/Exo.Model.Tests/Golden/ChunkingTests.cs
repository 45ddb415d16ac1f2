using Exo.Kernels;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Golden;

/// <summary>
/// Prefill in one pass, token by token, and in chunks of every size are the same bits, at every thread count and instruction set, in each
/// arithmetic.
/// </summary>
public sealed class ChunkingTests
{
    private static readonly Arithmetic[] _arithmetics =
    [
        Arithmetic.Exact,
        Arithmetic.Exact with { KvType = DType.F16 },
        Arithmetic.Fast,
        Arithmetic.Fast with { KvType = DType.F32 },
    ];

    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (object[] row in GoldenTests.Checkpoints)
                for (int arithmetic = 0; arithmetic < _arithmetics.Length; arithmetic++) cases.Add((string)row[0], arithmetic);
            return cases;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Chunks_of_every_size_give_the_same_bits(string name, int arithmetic)
    {
        GoldenCheckpoint golden = GoldenCheckpoint.Load(name);
        using var reference = new ModelHarness(new ReferenceDevice(), golden.Folder, _arithmetics[arithmetic]);
        List<float[]> whole = reference.Logits(golden.InputIds, golden.InputIds.Length);
        using var model = new ModelHarness(new CpuDevice(2, IsaSupport.Best), golden.Folder, _arithmetics[arithmetic]);
        for (int chunk = 1; chunk <= golden.InputIds.Length; chunk++)
            AssertSameBits(whole, model.Logits(golden.InputIds, chunk), $"{name}, {_arithmetics[arithmetic]}, chunks of {chunk}");
    }

    [Theory, MemberData(nameof(Cases))]
    public void Threads_and_instruction_sets_give_the_same_bits(string name, int arithmetic)
    {
        GoldenCheckpoint golden = GoldenCheckpoint.Load(name);
        List<float[]>? first = null;
        foreach (Isa isa in IsaSupport.Available)
        {
            for (int threads = 1; threads <= 3; threads++)
            {
                using var model = new ModelHarness(new CpuDevice(threads, isa), golden.Folder, _arithmetics[arithmetic]);
                List<float[]> logits = model.Logits(golden.InputIds, 17);
                AssertSameBits(first ??= logits, logits, $"{name}, {_arithmetics[arithmetic]}, {isa}, {threads} threads");
            }
        }
    }

    private static void AssertSameBits(List<float[]> expected, List<float[]> actual, string name)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int t = 0; t < expected.Count; t++)
            for (int i = 0; i < expected[t].Length; i++)
                if (BitConverter.SingleToInt32Bits(expected[t][i]) != BitConverter.SingleToInt32Bits(actual[t][i]))
                    Assert.Fail($"{name}: position {t}, logit {i}: {expected[t][i]:R} and {actual[t][i]:R}");
    }
}
