using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using Xunit;

#pragma warning disable OPENAI001 // Seed is marked as for evaluation only

namespace Exo.Host.Tests.Api;

/// <summary>The API as the `OpenAI` NuGet client sees it.</summary>
[Collection(nameof(DefaultServer))]
public class OpenAiClientTests(DefaultServer fixture)
{
    private static readonly ChatMessage[] _question = [new SystemChatMessage("You answer in one sentence."), new UserChatMessage("Name three colours.")];

    private readonly ChatClient _client = Client(fixture.Server, ExoServer.Model);

    public static ChatClient Client(ExoServer server, string model, string key = "none") => new(model, new ApiKeyCredential(key), new OpenAIClientOptions
    {
        Endpoint = new Uri(server.Address, "/v1"),
        RetryPolicy = new ClientRetryPolicy(0),
        Transport = new HttpClientPipelineTransport(ExoServer.CreateClient()),
        NetworkTimeout = TimeSpan.FromMinutes(1),
    });

    [Fact]
    public async Task Streamed_answer_equals_the_whole_one_with_usage_and_reason()
    {
        ChatCompletion whole = await _client.CompleteChatAsync(_question, Greedy(12));
        (string text, ChatFinishReason? reason, ChatTokenUsage? usage) = await StreamAsync(_question, Greedy(12));
        Assert.NotEmpty(whole.Content[0].Text);
        Assert.Equal(whole.Content[0].Text, text);
        Assert.Equal(whole.FinishReason, reason);
        Assert.Equal(whole.Usage.InputTokenCount, usage!.InputTokenCount);
        Assert.Equal(whole.Usage.OutputTokenCount, usage.OutputTokenCount);
        Assert.Equal(whole.Usage.InputTokenCount + whole.Usage.OutputTokenCount, whole.Usage.TotalTokenCount);
        Assert.InRange(whole.Usage.OutputTokenCount, 1, 12);
        Assert.Equal(ExoServer.Model, whole.Model);
    }

    [Fact]
    public async Task Stop_string_across_a_token_border_ends_the_answer_and_is_not_shown_even_in_part()
    {
        ChatCompletionOptions options = Greedy(12);
        options.IncludeLogProbabilities = true;
        ChatCompletion whole = await _client.CompleteChatAsync(_question, options);
        string text = whole.Content[0].Text;
        string[] tokens = [.. whole.ContentTokenLogProbabilities.Select(token => token.Token)];
        string stop = tokens[2][^1..] + tokens[3];
        Assert.DoesNotContain(stop, tokens);
        string expected = text[..text.IndexOf(stop, StringComparison.Ordinal)];

        ChatCompletionOptions stopping = Greedy(12);
        stopping.StopSequences.Add(stop);
        stopping.StopSequences.Add("never in this answer");
        ChatCompletion stopped = await _client.CompleteChatAsync(_question, stopping);
        (string streamed, ChatFinishReason? reason, _) = await StreamAsync(_question, stopping);
        Assert.Equal(expected, stopped.Content[0].Text);
        Assert.Equal(expected, streamed);
        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
        Assert.Equal(ChatFinishReason.Stop, reason);
    }

    [Fact]
    public async Task Log_probabilities_are_given_for_each_token_with_the_likeliest_beside()
    {
        ChatCompletionOptions options = Greedy(5);
        (options.IncludeLogProbabilities, options.TopLogProbabilityCount) = (true, 3);
        ChatCompletion answer = await _client.CompleteChatAsync(_question, options);
        Assert.Equal(answer.Usage.OutputTokenCount, answer.ContentTokenLogProbabilities.Count);
        foreach (ChatTokenLogProbabilityDetails token in answer.ContentTokenLogProbabilities)
        {
            Assert.Equal(3, token.TopLogProbabilities.Count);
            Assert.Equal(token.Token, token.TopLogProbabilities[0].Token);
            Assert.Equal(token.LogProbability, token.TopLogProbabilities[0].LogProbability);
            Assert.True(token.LogProbability <= 0);
            Assert.True(token.TopLogProbabilities[0].LogProbability >= token.TopLogProbabilities[1].LogProbability);
            Assert.True(token.TopLogProbabilities.Sum(top => Math.Exp(top.LogProbability)) < 1.0001);
        }
    }

    [Fact]
    public async Task Same_seed_gives_the_same_answer_and_other_seeds_others()
    {
        string[] answers = await Task.WhenAll(new long[] { 7, 7, 8, 9 }.Select(async seed =>
        {
            var options = new ChatCompletionOptions { MaxOutputTokenCount = 12, Temperature = 1.5f, Seed = seed };
            ChatCompletion answer = await _client.CompleteChatAsync(_question, options);
            return answer.Content[0].Text;
        }));
        Assert.Equal(answers[0], answers[1]);
        Assert.Equal(3, answers.Distinct().Count());
    }

    [Fact]
    public async Task Tool_definitions_and_tool_results_are_accepted()
    {
        ChatCompletionOptions options = Greedy(3);
        options.Tools.Add(ChatTool.CreateFunctionTool("weather", "Tells the weather.", BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}}}""")));
        ChatToolCall call = ChatToolCall.CreateFunctionToolCall("call_1", "weather", BinaryData.FromString("""{"city":"Oslo"}"""));
        ChatMessage[] messages = [.. _question, new AssistantChatMessage([call]), new ToolChatMessage("call_1", "rain")];
        ChatCompletion answer = await _client.CompleteChatAsync(messages, options);
        Assert.InRange(answer.Usage.OutputTokenCount, 1, 3);
    }

    [Fact]
    public async Task Cancelled_stream_leaves_the_server_at_work()
    {
        using var cancel = new CancellationTokenSource();
        ChatCompletionOptions options = Greedy(400);
        options.EndUserId = "cancels-in-mid-stream";
        foreach ((int id, int bias) in ExoServer.Endless) options.LogitBiases[id] = bias;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (StreamingChatCompletionUpdate update in _client.CompleteChatStreamingAsync([new UserChatMessage("Count from 1 to 500.")], options, cancel.Token))
                if (update.ContentUpdate.Count > 0) await cancel.CancelAsync();
        });
        JsonElement logged = await fixture.Server.LoggedAsync("cancels-in-mid-stream");
        Assert.Equal(499, logged.GetProperty("Status").GetInt32());
        Assert.InRange(logged.GetProperty("CompletionTokens").GetInt32(), 1, 240);
        ChatCompletion answer = await _client.CompleteChatAsync(_question, Greedy(1));
        Assert.Equal(1, answer.Usage.OutputTokenCount);
    }

    [Fact]
    public async Task Errors_carry_status_and_message()
    {
        ClientResultException model = await Assert.ThrowsAsync<ClientResultException>(() => Client(fixture.Server, "gpt-9").CompleteChatAsync(_question, Greedy(1)));
        Assert.Equal(404, model.Status);
        Assert.Contains("gpt-9", model.Message, StringComparison.Ordinal);
        ClientResultException prompt = await Assert.ThrowsAsync<ClientResultException>(
            () => _client.CompleteChatAsync([new UserChatMessage(string.Concat(Enumerable.Repeat("word ", 2000)))], Greedy(1)));
        Assert.Equal(400, prompt.Status);
        Assert.Contains("context_length_exceeded", prompt.Message, StringComparison.Ordinal);
    }

    private static ChatCompletionOptions Greedy(int maxTokens) => new() { MaxOutputTokenCount = maxTokens, Temperature = 0 };

    private async Task<(string Text, ChatFinishReason? Reason, ChatTokenUsage? Usage)> StreamAsync(ChatMessage[] messages, ChatCompletionOptions options)
    {
        (string text, ChatFinishReason? reason, ChatTokenUsage? usage) = ("", null, null);
        await foreach (StreamingChatCompletionUpdate update in _client.CompleteChatStreamingAsync(messages, options))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            reason ??= update.FinishReason;
            usage ??= update.Usage;
        }
        return (text, reason, usage);
    }
}
