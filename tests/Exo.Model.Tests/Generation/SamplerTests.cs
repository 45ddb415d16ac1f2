using System.Runtime.Intrinsics;
using Exo.Kernels.Numerics;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Generation;

public sealed class SamplerTests
{
    [Property(MaxTest = 400)]
    public void Every_split_gives_the_token_that_the_slow_sampler_gives(int seed)
    {
        var random = new Random(seed);
        float[] logits = Logits(random, random.Next(1, 400));
        int[] prompt = [.. Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(logits.Length))];
        int[] generated = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(logits.Length))];
        SamplingSettings settings = Settings(random, logits.Length);
        int position = prompt.Length + generated.Length;
        int expected = SlowSampler.Sample(logits, settings, prompt, generated, position);
        double logprob = SlowSampler.Logprob(logits, expected);
        int worldSize = random.Next(1, 7);
        var partition = new Partition([.. Enumerable.Range(0, worldSize).Select(_ => random.Next(1, 9))]);
        TokenLogprob[] top = [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).Take(Math.Max(0, settings.NumTopLogprobs))
            .Select(id => new TokenLogprob(id, SlowSampler.Logprob(logits, id)))];

        foreach ((SampledToken token, TokenLogprob[] actualTop) in SplitSampler.Sample(logits, partition, settings, prompt, generated, position))
        {
            Assert.Equal(expected, token.Id);
            Assert.Equal(settings.NumTopLogprobs < 0 ? double.NaN : logprob, token.Logprob);
            Assert.Equal(top, actualTop);
        }
    }

    [Theory, InlineData(0.7, 0, 1.0), InlineData(1.5, 0, 1.0), InlineData(1.0, 5, 1.0), InlineData(1.0, 0, 0.8)]
    public void Frequencies_follow_the_softmax_of_what_is_left(double temperature, int topK, double topP)
    {
        const int Draws = 20_000;
        float[] logits = [1.5f, -0.5f, 2f, 0f, 1.25f, -3f, 0.75f, 2f];
        double[] weights = [.. logits.Select(l => Math.Exp(l / temperature))];
        int[] order = [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => weights[id])];
        if (topK > 0) order = order[..topK];
        double total = order.Sum(id => weights[id]), reached = 0;
        order = [.. order.TakeWhile(id => (reached += weights[id]) - weights[id] < topP * total)];
        total = order.Sum(id => weights[id]);

        var counts = new int[logits.Length];
        var sampler = new Sampler(new Solo(), new Slice(0, logits.Length));
        var state = new SequenceState(new SequenceStart(new SamplingSettings { Temperature = temperature, TopK = topK, TopP = topP, Seed = 5 }, 1, [0]), 0);
        var result = new StepResult();
        for (int position = 0; position < Draws; position++) counts[sampler.Sample(logits, 0, state, position, result).Id]++;

        Assert.Equal(Draws, order.Sum(id => counts[id]));
        double chiSquare = order.Sum(id => Math.Pow(counts[id] - (Draws * weights[id] / total), 2) / (Draws * weights[id] / total));
        Assert.True(chiSquare < 26, $"chi square {chiSquare} with at most 7 degrees of freedom: {string.Join(' ', counts)}"); // p < 0.0005
    }

    [Fact]
    public void Seeds_choices_and_positions_draw_differently_and_each_again_the_same()
    {
        var logits = new float[1000];
        var sampler = new Sampler(new Solo(), new Slice(0, logits.Length));
        var drawn = new HashSet<int>();
        for (int i = 0; i < 3; i++)
        {
            drawn.Add(Draw((ulong)i, 0, 0));
            drawn.Add(Draw(9, i + 1, 0));
            drawn.Add(Draw(9, 0, i + 1));
        }
        Assert.Equal(9, drawn.Count); // of 1,000 equally likely tokens
        Assert.Equal(Draw(1, 2, 3), Draw(1, 2, 3));

        int Draw(ulong seed, int choice, int position)
        {
            var settings = new SamplingSettings { Temperature = 1, Seed = seed, ChoiceIndex = choice };
            return sampler.Sample(logits, 0, new SequenceState(new SequenceStart(settings, 1, [0]), 0), position, new StepResult()).Id;
        }
    }

    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(float.NegativeInfinity)]
    public void A_logit_that_is_not_finite_is_an_error_on_every_rank(float poison)
    {
        var logits = new float[50];
        logits[40] = poison;
        AggregateException errors = Assert.Throws<AggregateException>(
            () => SplitSampler.Sample(logits, Partition.Even(3), new SamplingSettings { Temperature = 1 }, [1], [], 1));
        Assert.Equal(3, errors.InnerExceptions.Count);
        Assert.All(errors.InnerExceptions, error => Assert.IsType<NonFiniteException>(error));
    }

    [Property(MaxTest = 200)]
    public void Vectors_weigh_as_scalars_do(int seed)
    {
        var random = new Random(seed);
        float[] logits = Logits(random, random.Next(1, 60));
        double max = logits.Max(), temperature = 0.01 + (3 * random.NextDouble());
        var weights = new long[logits.Length];
        TokenWeights.Fill(logits, max, temperature, weights);
        Assert.Equal(logits.Select(l => TokenWeights.Of((l - max) / temperature)), weights);

        double x = (random.NextDouble() - 0.5) * (random.Next(2) == 0 ? 2 : 1400);
        Assert.Equal(BitConverter.DoubleToInt64Bits(Fp.Exp(x)), BitConverter.DoubleToInt64Bits(Fp.Exp(Vector256.Create(x))[random.Next(4)]));
    }

    [Fact]
    public void Settings_outside_their_ranges_are_refused_by_name()
    {
        (SamplingSettings Settings, string Name)[] cases =
        [
            (new() { Temperature = -1 }, "Temperature"), (new() { Temperature = double.NaN }, "Temperature"), (new() { Temperature = 1e-200 }, "Temperature"),
            (new() { TopK = -1 }, "TopK"), (new() { TopP = 0 }, "TopP"), (new() { TopP = 1.01 }, "TopP"), (new() { MinP = -0.1 }, "MinP"),
            (new() { RepetitionPenalty = 0 }, "RepetitionPenalty"), (new() { RepetitionPenalty = float.NaN }, "RepetitionPenalty"),
            (new() { PresencePenalty = float.PositiveInfinity }, "PresencePenalty"), (new() { FrequencyPenalty = -1e9f }, "FrequencyPenalty"),
            (new() { NumTopLogprobs = 1001 }, "NumTopLogprobs"), (new() { LogitBias = new Dictionary<int, float> { [-1] = 1 } }, "LogitBias"),
            (new() { LogitBias = new Dictionary<int, float> { [1] = float.NaN } }, "LogitBias"),
        ];
        foreach ((SamplingSettings settings, string name) in cases)
            Assert.StartsWith(name, Assert.Throws<RequestException>(settings.Validate).Message, StringComparison.Ordinal);
        new SamplingSettings { Temperature = 1e-100, TopP = 1e-9, MinP = 1, RepetitionPenalty = 0.001f }.Validate();
    }

    /// <summary>Logits with ties, of a spread from none to far beyond what has weight.</summary>
    private static float[] Logits(Random random, int count)
    {
        float spread = random.Next(4) switch { 0 => 0.01f, 1 => 3, 2 => 20, _ => 200 };
        bool hasTies = random.Next(2) == 0;
        return [.. Enumerable.Range(0, count).Select(_ => hasTies ? random.Next(-3, 4) * spread / 3 : (random.NextSingle() - 0.5f) * spread)];
    }

    private static SamplingSettings Settings(Random random, int vocabSize) => new()
    {
        Temperature = random.Next(6) switch { 0 => 0, 1 => 0.01, 2 => 1e-7, _ => random.NextDouble() * 2 },
        TopK = random.Next(2) == 0 ? random.Next(1, vocabSize + 3) : 0,
        TopP = random.Next(2) == 0 ? Math.Max(1e-6, random.NextDouble()) : 1,
        MinP = random.Next(3) == 0 ? random.NextDouble() * random.NextDouble() : 0,
        Seed = (ulong)random.NextInt64() * 3,
        ChoiceIndex = random.Next(3),
        RepetitionPenalty = random.Next(3) == 0 ? 0.5f + random.NextSingle() : 1,
        PresencePenalty = random.Next(3) == 0 ? random.NextSingle() - 0.5f : 0,
        FrequencyPenalty = random.Next(3) == 0 ? random.NextSingle() - 0.5f : 0,
        LogitBias = random.Next(3) == 0 ? new Dictionary<int, float> { [random.Next(vocabSize)] = 5, [vocabSize - 1] = -100 } : new Dictionary<int, float>(),
        NumTopLogprobs = random.Next(-1, 6),
    };
}
