using System.Text;
using System.Text.Json.Nodes;
using Exo.Model.Chat;
using Exo.Model.Generation;
using Exo.Model.Text;

namespace Exo.Host.Api.OpenAi;

/// <summary>OpenAI's response objects.</summary>
internal sealed class ChatWriter(string model, Tokenizer tokenizer)
{
    private readonly string _id = $"chatcmpl-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    public string Id => _id;

    /// <summary>The whole answer.</summary>
    public JsonObject Completion(IEnumerable<ChatChoice> choices, int promptTokens, int completionTokens)
    {
        JsonObject output = Head("chat.completion");
        output["choices"] = new JsonArray([.. choices.Select(WriteChoice)]);
        output["usage"] = Usage(promptTokens, completionTokens);
        return output;
    }

    /// <summary>A piece of a streamed answer.</summary>
    public JsonObject Chunk(ChatChoice choice, JsonObject delta, JsonObject? logprobs = null) => Chunk(choice.Index, delta, null, logprobs);

    /// <summary>The last piece of a streamed answer.</summary>
    public JsonObject FinishChunk(ChatChoice choice) => Chunk(choice.Index, [], choice.FinishReason, null);

    /// <summary>The piece that carries the usage, after all others.</summary>
    public JsonObject UsageChunk(int promptTokens, int completionTokens)
    {
        JsonObject output = Head("chat.completion.chunk");
        output["choices"] = new JsonArray();
        output["usage"] = Usage(promptTokens, completionTokens);
        return output;
    }

    /// <summary>{content: [{token, logprob, bytes, top_logprobs}]} of one token.</summary>
    public JsonObject Logprobs(IEnumerable<GeneratedToken> tokens) => new()
    {
        ["content"] = new JsonArray([.. tokens.Select(token =>
        {
            JsonObject item = Logprob(token.Id, token.Logprob);
            item["top_logprobs"] = new JsonArray([.. token.TopLogprobs.Select(top => Logprob(top.Id, top.Logprob))]);
            return (JsonNode)item;
        })]),
        ["refusal"] = null,
    };

    /// <summary>The calls of a streamed answer, each in one piece.</summary>
    public static JsonArray ToolCallDeltas(IReadOnlyList<ToolCall> calls)
    {
        JsonArray output = ToolCalls(calls);
        for (int i = 0; i < output.Count; i++) output[i]!["index"] = i;
        return output;
    }

    /// <summary>The calls as OpenAI writes them: arguments are JSON in a string.</summary>
    private static JsonArray ToolCalls(IReadOnlyList<ToolCall> calls) => new([.. calls.Select(call => (JsonNode)new JsonObject
    {
        ["id"] = $"call_{Guid.NewGuid():N}",
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = call.Name, ["arguments"] = ApiResponse.Text(call.Arguments) },
    })]);

    private JsonObject Chunk(int index, JsonObject delta, string? finishReason, JsonObject? logprobs)
    {
        JsonObject output = Head("chat.completion.chunk");
        output["choices"] = new JsonArray(new JsonObject
        {
            ["index"] = index,
            ["delta"] = delta,
            ["logprobs"] = logprobs,
            ["finish_reason"] = finishReason,
        });
        return output;
    }

    private static JsonObject Usage(int promptTokens, int completionTokens) => new()
    {
        ["prompt_tokens"] = promptTokens,
        ["completion_tokens"] = completionTokens,
        ["total_tokens"] = promptTokens + completionTokens,
    };

    private JsonObject Head(string kind) => new()
    {
        ["id"] = _id,
        ["object"] = kind,
        ["created"] = _created,
        ["model"] = model,
    };

    private JsonObject WriteChoice(ChatChoice choice)
    {
        var message = new JsonObject { ["role"] = "assistant", ["content"] = choice.Text, ["refusal"] = null };
        if (choice.ToolCalls.Count > 0)
        {
            message["tool_calls"] = ToolCalls(choice.ToolCalls);
            if (choice.Text.Length == 0) message["content"] = null;
        }
        return new JsonObject
        {
            ["index"] = choice.Index,
            ["message"] = message,
            ["logprobs"] = choice.Tokens is null ? null : Logprobs(choice.Tokens),
            ["finish_reason"] = choice.FinishReason,
        };
    }

    /// <summary>A token may be a part of a character: its bytes say all, its text what can be shown.</summary>
    private JsonObject Logprob(int id, double logprob)
    {
        byte[] bytes = tokenizer.BytesOf(id);
        return new JsonObject
        {
            ["token"] = Encoding.UTF8.GetString(bytes),
            ["logprob"] = logprob,
            ["bytes"] = new JsonArray([.. bytes.Select(value => (JsonNode)(int)value)]),
        };
    }
}
