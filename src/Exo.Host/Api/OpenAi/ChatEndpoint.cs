using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Exo.Model.Generation;

namespace Exo.Host.Api.OpenAi;

/// <summary>POST /v1/chat/completions.</summary>
internal sealed class ChatEndpoint(Engine engine, ServerOptions options, CancellationToken stopping)
{
    private readonly record struct Piece(ChatChoice Choice, GeneratedToken Token);

    /// <summary>Answers within the limit of time; a client that leaves and a server that stops end the request too.</summary>
    public async Task HandleAsync(HttpContext http)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        deadline.CancelAfter(options.RequestTimeout);
        try
        {
            await AnswerAsync(http, deadline.Token);
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            throw stopping.IsCancellationRequested
                ? new ApiException(StatusCodes.Status503ServiceUnavailable, "the server is shutting down", null, "shutting_down")
                : new ApiException(StatusCodes.Status408RequestTimeout, $"the request took longer than {options.RequestTimeout.TotalSeconds} s", null, "timeout");
        }
    }

    private async Task AnswerAsync(HttpContext http, CancellationToken cancellation)
    {
        ChatRequest request = ChatRequest.Read(RequestBody.Parse(await RequestReader.ReadAsync(http, options, cancellation)));
        if (request.Model is { } model && model != options.ModelId) throw ApiException.NoSuchModel(model, options.ModelId);
        foreach (int id in request.Sampling.LogitBias.Keys)
            if (id >= engine.Config.VocabSize) throw ApiException.Bad("logit_bias", $"token ids below {engine.Config.VocabSize}", $"{id}");
        var generation = new GenerationRequest
        {
            PromptIds = engine.Text.EncodeChat(request.Messages, request.Tools),
            MaxTokens = request.MaxTokens,
            StopStrings = request.Stops,
            Sampling = request.Sampling,
        };
        int promptTokens = generation.PromptIds.Length;
        if (promptTokens >= engine.ContextLength) throw ApiException.PromptTooLong(promptTokens, engine.ContextLength);
        engine.Validate(generation);

        var writer = new ChatWriter(options.ModelId, engine.Text.Tokenizer);
        RequestFacts facts = RequestLog.FactsOf(http);
        (facts.Id, facts.User, facts.PromptTokens) = (writer.Id, request.User, promptTokens);
        ChatChoice[] choices = [.. Enumerable.Range(0, request.NumChoices).Select(index => new ChatChoice(index, request))];
        EventStream? events = request.Stream ? new EventStream(http, cancellation) : null;
        await foreach (Piece piece in GenerateAsync(generation, choices, cancellation))
        {
            facts.CompletionTokens++;
            if (events is null) piece.Choice.Append(piece.Token);
            else await SendAsync(events, writer, piece);
        }
        if (events is null)
        {
            await ApiResponse.WriteAsync(http, writer.Completion(choices, promptTokens, facts.CompletionTokens), StatusCodes.Status200OK, cancellation);
            return;
        }
        if (request.IncludeUsage) await events.SendAsync(writer.UsageChunk(promptTokens, facts.CompletionTokens));
        await events.EndAsync();
    }

    private static async Task SendAsync(EventStream events, ChatWriter writer, Piece piece)
    {
        (ChatChoice choice, GeneratedToken token) = piece;
        if (choice.IsNew) await events.SendAsync(writer.Chunk(choice, new JsonObject { ["role"] = "assistant", ["content"] = "" }));
        string text = choice.Append(token);
        JsonObject? logprobs = choice.Tokens is null ? null : writer.Logprobs([token]);
        if (text.Length > 0 || logprobs is not null) await events.SendAsync(writer.Chunk(choice, new JsonObject { ["content"] = text }, logprobs));
        if (token.FinishReason is null) return;
        if (choice.ToolCalls.Count > 0) await events.SendAsync(writer.Chunk(choice, new JsonObject { ["tool_calls"] = ChatWriter.ToolCallDeltas(choice.ToolCalls) }));
        await events.SendAsync(writer.FinishChunk(choice));
    }

    /// <summary>The tokens of all choices as they come. The first failure ends them all.</summary>
    private async IAsyncEnumerable<Piece> GenerateAsync(
        GenerationRequest request, ChatChoice[] choices, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var pieces = Channel.CreateUnbounded<Piece>(new UnboundedChannelOptions { SingleReader = true });
        int numRunning = choices.Length;
        Task[] running = [.. choices.Select(PumpAsync)];
        try
        {
            await foreach (Piece piece in pieces.Reader.ReadAllAsync(CancellationToken.None)) yield return piece;
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(running);
        }

        async Task PumpAsync(ChatChoice choice)
        {
            try
            {
                GenerationRequest own = request with { Sampling = request.Sampling with { ChoiceIndex = choice.Index } };
                await foreach (GeneratedToken token in engine.GenerateAsync(own, stop.Token)) pieces.Writer.TryWrite(new Piece(choice, token));
                if (Interlocked.Decrement(ref numRunning) == 0) pieces.Writer.TryComplete();
            }
            catch (Exception error)
            {
                pieces.Writer.TryComplete(error);
                await stop.CancelAsync();
            }
        }
    }
}
