using Exo.Kernels;
using Exo.Model.Generation;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Generation;

/// <summary>The engine over real (tiny) models: company changes nothing, and nothing is lost.</summary>
public sealed class EngineTests
{
    [Theory, InlineData("llama"), InlineData("qwen3_moe"), InlineData("deepseek_v3")]
    public async Task Requests_at_once_equal_each_alone(string modelType)
    {
        using var folder = new TinyModelFolder(modelType, WeightFormat.Affine4, 11);
        GenerationRequest[] requests = Requests(folder.Model, new Random(3), 12);
        var alone = new List<List<GeneratedToken>>();
        using (Engine engine = Load(folder, new EngineOptions { ContextLength = 64, MaxRunning = 1 }))
        {
            foreach (GenerationRequest request in requests) alone.Add(await engine.Collect(request));
        }
        foreach ((int running, int chunk) in new[] { (3, 5), (8, 1), (12, 512) })
        {
            using Engine engine = Load(folder, new EngineOptions { ContextLength = 64, MaxRunning = running, PrefillChunk = chunk });
            List<GeneratedToken>[] together = await Task.WhenAll(requests.Select(request => Task.Run(() => engine.Collect(request))));
            for (int i = 0; i < requests.Length; i++)
            {
                Assert.Equal(alone[i].Select(Bits), together[i].Select(Bits));
                Assert.Equal(alone[i].SelectMany(token => token.TopLogprobs), together[i].SelectMany(token => token.TopLogprobs));
            }
        }
    }

    [Fact]
    public async Task Choices_of_one_seed_differ_and_can_be_drawn_again()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 5);
        using Engine engine = Load(folder, new EngineOptions { ContextLength = 64 });
        var answers = new List<string>();
        for (int choice = 0; choice < 3; choice++) answers.Add(await Ids(choice));
        Assert.Equal(3, answers.Distinct().Count());
        Assert.Equal(answers[1], await Ids(1));

        async Task<string> Ids(int choice)
        {
            var sampling = new SamplingSettings { Temperature = 1.5, Seed = 77, ChoiceIndex = choice };
            List<GeneratedToken> tokens = await engine.Collect(new GenerationRequest { PromptIds = [1, 2], MaxTokens = 20, Sampling = sampling });
            return string.Join(' ', tokens.Select(token => token.Id));
        }
    }

    [Fact]
    public async Task A_thousand_cancelled_requests_leave_no_page_no_slot_and_the_others_answers_behind()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 9);
        using Engine engine = Load(folder, new EngineOptions { ContextLength = 64, MaxRunning = 4, MaxWaiting = 60 });
        var steady = new GenerationRequest { PromptIds = [1, 2, 3], MaxTokens = 60, Sampling = new SamplingSettings { Temperature = 1, Seed = 1 } };
        List<GeneratedToken> expected = await engine.Collect(steady);
        int cancelled = 0;
        Task[] clients = [.. Enumerable.Range(0, 20).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (int i = 0; i < 50; i++)
            {
                using var leave = new CancellationTokenSource();
                int after = random.Next(0, 6), count = 0;
                try
                {
                    if (after == 0) leave.CancelAfter(TimeSpan.FromTicks(random.Next(1, 20_000)));
                    await foreach (GeneratedToken _ in engine.GenerateAsync(steady, leave.Token))
                        if (++count == after) await leave.CancelAsync();
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref cancelled);
                }
            }
        }))];
        List<GeneratedToken>[] kept = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => engine.Collect(steady)));
        await Task.WhenAll(clients).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.InRange(cancelled, 900, 1000); // a timer may come too late

        // All pages and slots are free again: four requests of the whole context run at once, sixty more may wait.
        List<GeneratedToken>[] full = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => engine.Collect(steady)));
        foreach (List<GeneratedToken> answer in kept.Concat(full)) Assert.Equal(expected.Select(Bits), answer.Select(Bits));
    }

    [Fact]
    public async Task A_value_that_is_not_finite_is_named_by_its_layer()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.F32, 21, minLayers: 3);
        folder.Poison("model.layers.1.mlp.down_proj.weight");
        using Engine engine = Load(folder, new EngineOptions { ContextLength = 64 });
        NonFiniteException error = await Assert.ThrowsAsync<NonFiniteException>(() => engine.Collect(new GenerationRequest { PromptIds = [1] }));
        Assert.Contains("model.layers.1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_progress_rises_by_one_from_the_first_part_to_the_last()
    {
        using var folder = new TinyModelFolder("llama", WeightFormat.BF16, 2, minLayers: 3);
        var progress = new ProgressLog();
        using var engine = new Engine(
            LocalRunner.Load(new CpuDevice(1, IsaSupport.Best), folder.Path, Arithmetic.Fast, new CacheSize(64), progress), EngineRun.Text());
        Assert.Equal(Enumerable.Range(1, engine.Config.NumHiddenLayers + 2), progress.Reports.Select(report => report.Done));
        Assert.All(progress.Reports, report => Assert.Equal(engine.Config.NumHiddenLayers + 2, report.Total));
    }

    private static Engine Load(TinyModelFolder folder, EngineOptions options) => new(
        LocalRunner.Load(new CpuDevice(2, IsaSupport.Best), folder.Path, Arithmetic.Fast, new CacheSize(options.ContextLength, options.MaxRunning)),
        EngineRun.Text(),
        options);

    private static GenerationRequest[] Requests(TinyModel model, Random random, int count) =>
    [
        .. Enumerable.Range(0, count).Select(i => new GenerationRequest
        {
            PromptIds = model.Ids(random.Next(1, 40)),
            MaxTokens = random.Next(1, 24),
            Sampling = new SamplingSettings
            {
                Temperature = i % 3 == 0 ? 0 : 0.5 + random.NextDouble(),
                TopP = i % 2 == 0 ? 0.9 : 1,
                TopK = i % 4 == 0 ? 5 : 0,
                Seed = (ulong)i,
                RepetitionPenalty = i % 3 == 1 ? 1.2f : 1,
                FrequencyPenalty = i % 3 == 2 ? 0.3f : 0,
                NumTopLogprobs = (i % 4) - 1,
            },
        }),
    ];

    private static (int Id, string Text, long Logprob, FinishReason? Reason) Bits(GeneratedToken token) =>
        (token.Id, token.Text, BitConverter.DoubleToInt64Bits(token.Logprob), token.FinishReason);

    private sealed class ProgressLog : IProgress<LoadProgress>
    {
        public List<LoadProgress> Reports { get; } = [];

        public void Report(LoadProgress value) => Reports.Add(value);
    }
}
