using System.Text.Json;
using Exo.Model.Generation;
using Exo.Net.Cluster;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class PlanCodecTests
{
    [Property]
    public void Plans_come_out_as_they_went_in(int seed)
    {
        var plan = RandomPlan(new Random(seed));
        var writer = new ByteWriter();
        PlanCodec.Write(plan, writer);
        var read = RandomPlan(new Random(seed + 1)); // what it held before must not show
        PlanCodec.Read(writer.Written.Span, read);
        Assert.Equal(JsonSerializer.Serialize(plan), JsonSerializer.Serialize(read));
    }

    [Property]
    public void Damaged_plans_are_refused_or_are_other_plans_but_never_crash(int seed)
    {
        var random = new Random(seed);
        var writer = new ByteWriter();
        PlanCodec.Write(RandomPlan(random), writer);
        byte[] bytes = writer.Written.ToArray();
        for (int i = 0; i < 50; i++)
        {
            byte[] damaged = bytes[..random.Next(bytes.Length + 1)];
            for (int j = random.Next(3); j > 0 && damaged.Length > 0; j--)
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            var refused = Record.Exception(() => PlanCodec.Read(damaged, new StepPlan()));
            Assert.True(refused is null or ClusterException, $"{refused}");
            Assert.True(damaged.Length == bytes.Length || refused is not null, "a shortened plan was taken");
        }
    }

    [Fact]
    public void Bytes_after_the_end_are_refused()
    {
        var writer = new ByteWriter();
        PlanCodec.Write(RandomPlan(new Random(1)), writer);
        var refused = Assert.Throws<ClusterException>(() => PlanCodec.Read([.. writer.Written.Span, 0], new StepPlan()));
        Assert.Contains("1 more bytes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Count_that_the_bytes_cannot_hold_is_refused_before_anything_is_allocated()
    {
        var writer = new ByteWriter();
        writer.U32(1);
        writer.I64(1);
        writer.I32(1);
        writer.U32(uint.MaxValue);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<ClusterException>(() => PlanCodec.Read(writer.Written.Span, new StepPlan()));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
        Assert.Contains("4294967295", refused.Message, StringComparison.Ordinal);
    }

    [Property]
    public void Results_come_out_as_they_went_in(int seed)
    {
        var random = new Random(seed);
        var result = new StepResult();
        for (int i = random.Next(4); i > 0; i--)
        {
            result.TopLogprobs.Add(new TokenLogprob(random.Next(), -random.NextDouble()));
            result.Tokens.Add(new SampledToken(random.Next(), random.Next(), -random.NextDouble(), 0, result.TopLogprobs.Count));
        }
        result.Logits.Add([1]);
        var writer = new ByteWriter();
        ResultCodec.Write(9, result, writer);
        var read = new StepResult();
        Assert.Equal(1, ResultCodec.Read(writer.Written.Span, 9, read));
        Assert.Equal(result.Tokens, read.Tokens);
        Assert.Equal(result.TopLogprobs, read.TopLogprobs);
        byte[] bytes = writer.Written.ToArray();
        Assert.Throws<ClusterException>(() => ResultCodec.Read(bytes, 8, read));
        Assert.Throws<ClusterException>(() => ResultCodec.Read(bytes.AsSpan(..^1), 9, read));
    }

    [Fact]
    public void Logprobs_outside_their_list_are_refused()
    {
        var result = new StepResult();
        result.Tokens.Add(new SampledToken(1, 2, -1, 0, 1));
        var writer = new ByteWriter();
        ResultCodec.Write(9, result, writer);
        Assert.Throws<ClusterException>(() => ResultCodec.Read(writer.Written.Span, 9, new StepResult()));
    }

    private static StepPlan RandomPlan(Random random)
    {
        var plan = new StepPlan { Epoch = random.NextInt64(), StepNumber = random.Next() };
        plan.Released.AddRange(Ints(random));
        for (int i = random.Next(4); i > 0; i--)
        {
            var sequence = plan.AddSequence();
            (sequence.SequenceId, sequence.FirstPosition, sequence.AdmittedLimit) = (random.Next(), random.Next(), random.Next());
            sequence.Ids.AddRange(Ints(random));
            sequence.Pages.AddRange(Ints(random));
            for (int row = 0; row < sequence.Ids.Count; row += 2)
                sequence.Outputs.Add(new OutputRow(row, (OutputKind)random.Next(2)));
            if (random.Next(2) == 0)
                sequence.Start = new SequenceStart(RandomSettings(random), random.Next(2), [1, .. Ints(random)]);
        }
        return plan;
    }

    private static SamplingSettings RandomSettings(Random random) => new()
    {
        Temperature = random.NextDouble(),
        TopK = random.Next(),
        TopP = random.NextDouble(),
        MinP = random.NextDouble(),
        Seed = (ulong)random.NextInt64() * 2,
        ChoiceIndex = random.Next(),
        RepetitionPenalty = random.NextSingle(),
        PresencePenalty = random.NextSingle(),
        FrequencyPenalty = random.NextSingle(),
        NumTopLogprobs = random.Next(-1, 20),
        LogitBias = new Dictionary<int, float> { [random.Next()] = random.NextSingle() },
    };

    private static int[] Ints(Random random) => [.. Enumerable.Range(0, random.Next(6)).Select(_ => random.Next())];
}
