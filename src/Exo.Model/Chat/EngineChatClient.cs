using System.Runtime.CompilerServices;
using System.Text.Json;
using Exo.Model.Generation;
using Microsoft.Extensions.AI;

namespace Exo.Model.Chat;

/// <summary>
/// An <see cref="Engine"/> as the IChatClient that C# programs already call: streaming, usage, cancellation, tools. Functions are called
/// by the ecosystem's own middleware (`UseFunctionInvocation`). Does not own the engine.
/// </summary>
public sealed class EngineChatClient(Engine engine, string modelId) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new("exo", providerUri: null, modelId);

    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="RequestException">The request asks for what cannot be done, or breaks a limit.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        bool hasTools = options?.Tools is { Count: > 0 } && options.ToolMode is not NoneChatToolMode;
        int[] promptIds = engine.Text.EncodeChat(
            ChatMessages.ToTemplate(messages, options?.Instructions), hasTools ? ChatMessages.ToTemplate(options!.Tools) : null);
        GenerationRequest request = ToRequest(promptIds, options);
        var tools = new ToolCallParser();
        string id = $"chatcmpl-{Guid.NewGuid():N}";
        int numTokens = 0;
        ChatFinishReason? reason = null;
        await foreach (GeneratedToken token in engine.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            numTokens++;
            string text = hasTools ? tools.Append(token.Text) : token.Text;
            if (token.FinishReason is { } finish)
            {
                if (hasTools) text += tools.Flush();
                reason = finish == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
            }
            if (text.Length > 0) yield return Update(id, new TextContent(text));
        }
        foreach (ToolCall call in tools.Calls)
        {
            reason = ChatFinishReason.ToolCalls;
            Dictionary<string, object?> arguments = call.Arguments.ToDictionary(
                pair => pair.Key, pair => (object?)(pair.Value is null ? null : JsonSerializer.SerializeToElement(pair.Value)));
            yield return Update(id, new FunctionCallContent($"call_{Guid.NewGuid():N}", call.Name, arguments));
        }
        var usage = new UsageDetails
        {
            InputTokenCount = promptIds.Length,
            OutputTokenCount = numTokens,
            TotalTokenCount = promptIds.Length + numTokens,
        };
        ChatResponseUpdate last = Update(id, new UsageContent(usage));
        last.FinishReason = reason;
        yield return last;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(ChatClientMetadata)) return _metadata;
        if (serviceType == typeof(Engine)) return engine;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private ChatResponseUpdate Update(string id, AIContent content) => new(ChatRole.Assistant, [content])
    {
        ResponseId = id,
        MessageId = id,
        ModelId = modelId,
        CreatedAt = DateTimeOffset.UtcNow,
    };

    private static GenerationRequest ToRequest(int[] promptIds, ChatOptions? options)
    {
        if (options?.ResponseFormat is ChatResponseFormatJson) throw new RequestException("ResponseFormat: JSON is not supported");
        if (options?.ToolMode is RequiredChatToolMode) throw new RequestException("ToolMode: a tool call cannot be required");
        return new GenerationRequest
        {
            PromptIds = promptIds,
            MaxTokens = options?.MaxOutputTokens ?? 0,
            StopStrings = options?.StopSequences is { } stops ? [.. stops] : [],
            Sampling = new SamplingSettings
            {
                Temperature = options?.Temperature ?? 0,
                TopK = options?.TopK ?? 0,
                TopP = options?.TopP ?? 1,
                Seed = options?.Seed is long seed ? (ulong)seed : (ulong)Random.Shared.NextInt64(),
                PresencePenalty = options?.PresencePenalty ?? 0,
                FrequencyPenalty = options?.FrequencyPenalty ?? 0,
            },
        };
    }
}
