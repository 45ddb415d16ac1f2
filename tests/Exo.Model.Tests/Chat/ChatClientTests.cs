using Exo.Kernels;
using Exo.Model.Chat;
using Exo.Model.Generation;
using Exo.Model.Tests.Generation;
using Exo.Testing;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Exo.Model.Tests.Chat;

public sealed class ChatClientTests
{
    private static readonly ModelText _text = ModelText.Load(SharedFolder.DefaultModel);
    private readonly List<string> _prompts = [];

    [Fact]
    public async Task Streamed_updates_carry_text_usage_and_the_reason_of_the_end()
    {
        using Engine engine = Answering("Hello there, you!");
        using var client = new EngineChatClient(engine, "tiny");
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync("Hi")) updates.Add(update);
        Assert.True(updates.Count > 3);
        ChatResponse response = updates.ToChatResponse();
        Assert.Equal("Hello there, you!", response.Text);
        Assert.Equal((ChatFinishReason.Stop, "tiny"), (response.FinishReason, response.ModelId));
        Assert.Equal(_text.Tokenizer.Encode(_prompts[0]).Length, response.Usage!.InputTokenCount);
        Assert.Equal(_text.Tokenizer.Encode("Hello there, you!").Length + 1, response.Usage.OutputTokenCount);
        Assert.EndsWith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", _prompts[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_reach_the_engine()
    {
        using Engine engine = Answering("one two three four five", "one two three four five");
        using var client = new EngineChatClient(engine, "tiny");
        ChatResponse cut = await client.GetResponseAsync("Count", new ChatOptions { MaxOutputTokens = 2, Instructions = "Be brief." });
        Assert.Equal(("one two", ChatFinishReason.Length), (cut.Text, cut.FinishReason));
        Assert.StartsWith("<|im_start|>system\nBe brief.<|im_end|>", _prompts[0], StringComparison.Ordinal);
        ChatResponse stopped = await client.GetResponseAsync("Count", new ChatOptions { StopSequences = [" three"] });
        Assert.Equal(("one two", ChatFinishReason.Stop), (stopped.Text, stopped.FinishReason));
        await Assert.ThrowsAsync<RequestException>(() => client.GetResponseAsync("x", new ChatOptions { ResponseFormat = ChatResponseFormat.Json }));
        await Assert.ThrowsAsync<RequestException>(() => client.GetResponseAsync("x", new ChatOptions { ToolMode = ChatToolMode.RequireAny }));
        await Assert.ThrowsAsync<RequestException>(() => client.GetResponseAsync("x", new ChatOptions { Temperature = -1 }));
        await Assert.ThrowsAsync<RequestException>(
            () => client.GetResponseAsync(new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")])));
    }

    [Fact]
    public async Task Cancelling_ends_the_stream()
    {
        using Engine engine = Answering(string.Concat(Enumerable.Repeat("word ", 300)));
        using var client = new EngineChatClient(engine, "tiny");
        using var cancel = new CancellationTokenSource();
        int count = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync("Hi", cancellationToken: cancel.Token))
                if (++count == 3) await cancel.CancelAsync();
        });
        Assert.Equal(3, count);
    }

    [Fact]
    public async Task Functions_are_called_by_the_ecosystems_middleware()
    {
        const string Call = """<tool_call>{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}</tool_call>""";
        using Engine engine = Answering("Let me look. " + Call, "Rain in Oslo.");
        using IChatClient client = new EngineChatClient(engine, "tiny").AsBuilder().UseFunctionInvocation().Build();
        string? called = null;
        AIFunction weather = AIFunctionFactory.Create(
            (string city, int days) =>
            {
                called = $"{city} {days}";
                return "11 degrees and rain";
            },
            "weather");
        ChatResponse response = await client.GetResponseAsync("How is the weather in Oslo?", new ChatOptions { Tools = [weather] });
        Assert.Equal("Oslo 2", called);
        Assert.Equal(2, _prompts.Count);
        Assert.Contains("11 degrees and rain", _prompts[1], StringComparison.Ordinal);
        Assert.Equal("Rain in Oslo.", response.Messages[^1].Text);
        Assert.DoesNotContain("tool_call", string.Concat(response.Messages.Select(message => message.Text)), StringComparison.Ordinal);
        Assert.Equal("Let me look. ", response.Messages[0].Text);
    }

    [Fact]
    public async Task AddExo_gives_out_an_engine_and_its_chat_client_and_disposes_them()
    {
        var services = new ServiceCollection();
        services.AddExo(SharedFolder.DefaultModel, () => new CpuDevice(2, IsaSupport.Best), new EngineOptions { ContextLength = 128, MaxRunning = 1 });
        ServiceProvider provider = services.BuildServiceProvider();
        IChatClient client = provider.GetRequiredService<IChatClient>();
        Assert.Same(client.GetService<Engine>(), provider.GetRequiredService<Engine>());
        ChatResponse response = await client.GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 3 });
        Assert.Equal(3, response.Usage!.OutputTokenCount);
        await provider.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("Hi"));
    }

    [Fact]
    public async Task The_readmes_sample_is_the_compiled_one_and_answers()
    {
        string readme = await File.ReadAllTextAsync(Path.Combine(SharedFolder.RepositoryRoot, "README.md"));
        string file = await File.ReadAllTextAsync(Path.Combine(SharedFolder.RepositoryRoot, "tests", "Exo.Model.Tests", "Chat", "ReadmeSample.cs"));
        Assert.Contains($"## Embedding in C#", readme, StringComparison.Ordinal);
        Assert.Contains($"```csharp\n{file}```", readme, StringComparison.Ordinal);
        Assert.InRange(file.Split('\n').Length - 1, 5, 29);
        using var output = new StringWriter();
        await Sample.Assistant.AnswerAsync("Why is the sky blue?", output);
        Assert.NotEqual("", output.ToString().Trim());
    }

    /// <summary>An engine that gives these answers, one after the other, and notes the prompts.</summary>
    private Engine Answering(params string[] answers)
    {
        int[][] ids = [.. answers.Select(answer => (int[])[.. _text.Tokenizer.Encode(answer), _text.EndTokenIds.First()])];
        ScriptedRunner? runner = null;
        runner = new ScriptedRunner(history =>
        {
            int[] prompt = runner!.Prompts[^1];
            if (history.Count == prompt.Length) _prompts.Add(_text.Tokenizer.Decode(prompt));
            return ids[runner.Prompts.Count - 1][history.Count - prompt.Length];
        });
        return new Engine(runner, _text);
    }
}
