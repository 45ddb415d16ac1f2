using Exo.Model.Generation;
using Xunit;

namespace Exo.Model.Tests.Generation;

public sealed class SchedulingTests
{
    private static readonly int[] _letters = EngineRun.Tokenizer.Encode("abcdefghij");

    /// <summary>Goes through <see cref="_letters"/> for ever, from the first one on after any prompt.</summary>
    private static int NextLetter(IReadOnlyList<int> ids) => _letters[(Array.IndexOf(_letters, ids[^1]) + 1) % _letters.Length];

    [Fact]
    public async Task Requests_are_served_first_in_first_out()
    {
        var runner = new ScriptedRunner(NextLetter) { Gate = new SemaphoreSlim(0) };
        using var engine = new Engine(runner, EngineRun.Text(), new EngineOptions { MaxRunning = 2 });
        Task<List<GeneratedToken>>[] answers = [.. Enumerable.Range(0, 10).Select(i => engine.Collect(Request(3, 100 + i)))];
        runner.Gate.Release(1000);
        await Task.WhenAll(answers);
        Assert.Equal(Enumerable.Range(100, 10), runner.Prompts.Select(prompt => prompt[0]));
        Assert.All(runner.Steps, step => Assert.InRange(step.Length, 1, 2));
    }

    [Fact]
    public async Task Prompts_are_computed_in_chunks_beside_running_answers()
    {
        var runner = new ScriptedRunner(NextLetter) { Gate = new SemaphoreSlim(0) };
        using var engine = new Engine(runner, EngineRun.Text(), new EngineOptions { PrefillChunk = 4 });
        Task<List<GeneratedToken>> first = engine.Collect(Request(10, 1));
        runner.Gate.Release(1);
        await EngineRun.Until(() => runner.Steps.Count == 1);
        Task<List<GeneratedToken>> second = engine.Collect(Request(2, 1, 2, 3, 4, 5, 6, 7, 8, 9));
        runner.Gate.Release(1000);
        await Task.WhenAll(first, second);
        int firstId = runner.Steps[0][0].SequenceId;
        Assert.Equal([4, 4, 1, 1], runner.Steps.SelectMany(step => step).Where(part => part.SequenceId != firstId).Select(part => part.NumRows));
        Assert.All(runner.Steps.Take(10), step => Assert.Contains((firstId, 1), step));
    }

    [Fact]
    public async Task A_request_that_finds_no_pages_waits_and_is_not_overtaken()
    {
        var runner = new ScriptedRunner(NextLetter, numPages: 4) { Gate = new SemaphoreSlim(0) };
        using var engine = new Engine(runner, EngineRun.Text());
        Task<List<GeneratedToken>> half = engine.Collect(Request(20, 1)); // 2 pages
        Task<List<GeneratedToken>> whole = engine.Collect(Request(60, 2)); // 4 pages
        Task<List<GeneratedToken>> small = engine.Collect(Request(1, 3)); // 1 page: would fit beside the first
        runner.Gate.Release(1000);
        await Task.WhenAll(half, whole, small);
        Assert.Equal([1, 2, 3], runner.Prompts.Select(prompt => prompt[0]));
        Assert.All(runner.Steps, step => Assert.Single(step));
        Assert.Equal(60, (await whole).Count);
    }

    [Fact]
    public async Task Too_many_waiting_requests_are_refused_until_one_leaves()
    {
        var runner = new ScriptedRunner(NextLetter) { Gate = new SemaphoreSlim(0) };
        using var engine = new Engine(runner, EngineRun.Text(), new EngineOptions { MaxRunning = 1, MaxWaiting = 1 });
        Task<List<GeneratedToken>> running = engine.Collect(Request(500, 1));
        using var leaves = new CancellationTokenSource();
        Task<List<GeneratedToken>> waiting = engine.Collect(Request(2, 2), leaves.Token);
        await Assert.ThrowsAsync<EngineBusyException>(() => engine.Collect(Request(2, 3)));
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Task<List<GeneratedToken>> next = engine.Collect(Request(2, 4));
        runner.Gate.Release(1000);
        Assert.Equal(500, (await running).Count);
        Assert.Equal(2, (await next).Count);
        Assert.Equal([1, 4], runner.Prompts.Select(prompt => prompt[0]));
    }

    [Fact]
    public async Task A_failing_step_ends_the_running_answers_and_the_engine_goes_on()
    {
        var runner = new ScriptedRunner(NextLetter)
        {
            Gate = new SemaphoreSlim(0),
            BeforeStep = step =>
            {
                if (step == 2) throw new NonFiniteException("a logit is not a finite number");
            },
        };
        using var engine = new Engine(runner, EngineRun.Text(), new EngineOptions { MaxRunning = 1 });
        Task<List<GeneratedToken>> fails = engine.Collect(Request(10, 1)), waits = engine.Collect(Request(2, 2));
        runner.Gate.Release(3);
        await Assert.ThrowsAsync<NonFiniteException>(() => fails);
        runner.BeforeStep = null;
        runner.Gate.Release(1000);
        Assert.Equal(2, (await waits).Count);
        Assert.Equal(3, (await engine.Collect(Request(3, 3))).Count);
    }

    [Fact]
    public async Task Disposing_in_mid_answer_ends_running_and_waiting_requests_with_a_typed_error()
    {
        var runner = new ScriptedRunner(NextLetter) { Gate = new SemaphoreSlim(0) };
        var engine = new Engine(runner, EngineRun.Text(), new EngineOptions { MaxRunning = 1 });
        Task<List<GeneratedToken>> running = engine.Collect(Request(5000, 1)), waiting = engine.Collect(Request(2, 2));
        IAsyncEnumerator<GeneratedToken> third = engine.GenerateAsync(Request(2, 3)).GetAsyncEnumerator();
        ValueTask<bool> pending = third.MoveNextAsync();
        runner.Gate.Release(2);
        await EngineRun.Until(() => runner.Steps.Count == 2);
        Task dispose = Task.Run(engine.Dispose);
        while (!dispose.IsCompleted) // the step in flight is waited for
        {
            runner.Gate.Release(1);
            await Task.Delay(1);
        }
        await dispose;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => running);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await pending);
        await third.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => engine.Collect(Request(2, 4)));
        Assert.True(runner.IsDisposed);
        engine.Dispose();
    }

    [Fact]
    public async Task Threads_that_enqueue_while_the_engine_stops_all_come_to_an_end()
    {
        for (int round = 0; round < 30; round++)
        {
            var engine = new Engine(new ScriptedRunner(NextLetter), EngineRun.Text());
            Task[] clients = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                while (true) await engine.Collect(Request(1, 1));
            }))];
            await Task.Delay(round % 5);
            engine.Dispose();
            foreach (Task client in clients) await Assert.ThrowsAsync<ObjectDisposedException>(() => client).WaitAsync(TimeSpan.FromSeconds(30));
        }
    }

    [Theory]
    [InlineData(-1, 8, 8, 8, "ContextLength")]
    [InlineData(0, 0, 8, 8, "MaxRunning")]
    [InlineData(0, 8, -1, 8, "MaxWaiting")]
    [InlineData(0, 8, 8, 0, "PrefillChunk")]
    public void Options_outside_their_ranges_are_refused_and_the_runner_is_freed(int context, int running, int waiting, int chunk, string name)
    {
        var runner = new ScriptedRunner(NextLetter);
        var options = new EngineOptions { ContextLength = context, MaxRunning = running, MaxWaiting = waiting, PrefillChunk = chunk };
        ModelException error = Assert.Throws<ModelException>(() => new Engine(runner, EngineRun.Text(), options));
        Assert.StartsWith(name, error.Message, StringComparison.Ordinal);
        Assert.True(runner.IsDisposed);
    }

    private static GenerationRequest Request(int maxTokens, params int[] prompt) => new() { PromptIds = prompt, MaxTokens = maxTokens };
}
