using Exo.Model.Generation;
using Xunit;

namespace Exo.Model.Tests.Generation;

/// <summary>When and how an answer ends: limits, end tokens, stop strings, cancelling.</summary>
public sealed class AnswerEndTests
{
    private const string Answer = "One two three. Four 🌍 five, six!";
    private static readonly int[] _answer = EngineRun.Tokenizer.Encode(Answer);

    [Fact]
    public async Task An_answer_ends_at_max_tokens()
    {
        using Engine engine = Speaking();
        List<GeneratedToken> tokens = await engine.Collect(Request() with { MaxTokens = 5 });
        Assert.Equal(_answer[..5], tokens.Select(token => token.Id));
        Assert.Equal(EngineRun.Tokenizer.Decode(_answer.AsSpan(0, 5)), EngineRun.TextOf(tokens));
        Assert.All(tokens[..^1], token => Assert.Null(token.FinishReason));
        Assert.Equal(FinishReason.Length, tokens[^1].FinishReason);
    }

    [Fact]
    public async Task An_answer_ends_where_the_context_does()
    {
        using Engine engine = Speaking(new EngineOptions { ContextLength = 8 });
        Assert.Equal(8, engine.ContextLength);
        List<GeneratedToken> tokens = await engine.Collect(Request());
        Assert.Equal(_answer[..7], tokens.Select(token => token.Id));
        Assert.Equal(FinishReason.Length, tokens[^1].FinishReason);
    }

    [Fact]
    public async Task An_end_token_ends_the_answer_and_has_no_text()
    {
        using Engine engine = Speaking(null, _answer[^1]);
        List<GeneratedToken> tokens = await engine.Collect(Request());
        Assert.Equal(_answer, tokens.Select(token => token.Id));
        Assert.Equal(EngineRun.Tokenizer.Decode(_answer.AsSpan(0, _answer.Length - 1)), EngineRun.TextOf(tokens));
        Assert.Equal(("", FinishReason.Stop), (tokens[^1].Text, tokens[^1].FinishReason));
        List<GeneratedToken> other = await engine.Collect(Request() with { EndTokenIds = [_answer[2]] });
        Assert.Equal(3, other.Count);
    }

    [Theory]
    [InlineData("three", "One two ")]
    [InlineData("wo th", "One t")]
    [InlineData("e. Four 🌍", "One two thre")]
    [InlineData(" five, s", "One two three. Four 🌍")]
    public async Task A_stop_string_across_tokens_ends_the_answer_and_is_not_given_out(string stop, string expected)
    {
        using Engine engine = Speaking();
        List<GeneratedToken> tokens = await engine.Collect(Request() with { StopStrings = ["not in it", stop] });
        Assert.Equal(expected, EngineRun.TextOf(tokens));
        Assert.Equal(FinishReason.Stop, tokens[^1].FinishReason);
        Assert.Single(tokens, token => token.FinishReason is not null);
    }

    [Fact]
    public async Task Text_held_back_for_a_stop_string_comes_with_the_last_token()
    {
        using Engine engine = Speaking();
        List<GeneratedToken> tokens = await engine.Collect(Request() with { MaxTokens = 3, StopStrings = [" three?"] });
        Assert.Equal("One two three", EngineRun.TextOf(tokens));
        Assert.Equal((" three", FinishReason.Length), (tokens[^1].Text, tokens[^1].FinishReason));
    }

    [Fact]
    public async Task Requests_beyond_the_limits_are_refused_by_name()
    {
        using Engine engine = Speaking(new EngineOptions { ContextLength = 20 });
        (GenerationRequest Request, string Part)[] cases =
        [
            (Request() with { PromptIds = new int[20] }, "the prompt has 20 tokens, the context holds 20"),
            (Request() with { PromptIds = [] }, "the prompt is empty"),
            (Request() with { PromptIds = [-1] }, "token id -1"),
            (Request() with { PromptIds = [49152] }, "token id 49152 of a vocabulary of 49152"),
            (Request() with { MaxTokens = -1 }, "max tokens -1"),
            (Request() with { StopStrings = ["a", ""] }, "a stop string is empty"),
            (Request() with { Sampling = new SamplingSettings { TopP = 2 } }, "TopP"),
            (Request() with { Sampling = new SamplingSettings { LogitBias = new Dictionary<int, float> { [49152] = 1 } } }, "LogitBias: token id 49152"),
        ];
        foreach ((GenerationRequest request, string part) in cases)
        {
            RequestException error = await Assert.ThrowsAsync<RequestException>(() => engine.Collect(request));
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }
        Assert.Single(await engine.Collect(Request() with { PromptIds = new int[19] }));
    }

    [Fact]
    public async Task Nothing_comes_after_a_cancel()
    {
        using Engine engine = Speaking();
        using var before = new CancellationTokenSource();
        await before.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.Collect(Request(), before.Token));

        using var during = new CancellationTokenSource();
        int count = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken _ in engine.GenerateAsync(Request(), during.Token))
                if (++count == 2) await during.CancelAsync();
        });
        Assert.Equal(2, count);

        using var after = new CancellationTokenSource();
        List<GeneratedToken> whole = await engine.Collect(Request() with { MaxTokens = _answer.Length }, after.Token);
        await after.CancelAsync();
        Assert.Equal(Answer, EngineRun.TextOf(whole));
    }

    private static GenerationRequest Request() => new() { PromptIds = [1] };

    /// <summary>Says <see cref="Answer"/> after a prompt of one token, again and again.</summary>
    private static Engine Speaking(EngineOptions? options = null, params int[] endTokenIds) =>
        new(new ScriptedRunner(ids => _answer[(ids.Count - 1) % _answer.Length]), EngineRun.Text(endTokenIds), options);
}
