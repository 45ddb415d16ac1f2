using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Exo.Model.Chat;
using Exo.Model.Generation;

namespace Exo.Host.Api.OpenAi;

/// <summary>POST /v1/chat/completions.</summary>
internal sealed class ChatEndpoint(Engine engine, ServerOptions options)
{
    private readonly record struct Piece(int Index, GeneratedToken Token);

    public async Task HandleAsync(HttpContext http)
    {
        RequestBody body = RequestBody.Parse(await RequestReader.ReadAsync(http, options));
        ChatRequest request = ChatRequest.Read(body);
        if (request.Model is { } model && model != options.ModelId)
            throw new ApiException(StatusCodes.Status404NotFound, $"the model {model} does not exist; this server has {options.ModelId}", "model", "model_not_found");
        int[] promptIds = engine.Text.EncodeChat(request.Messages, request.Tools);
        GenerationRequest[] requests = [.. Enumerable.Range(0, request.NumChoices).Select(index => ToGeneration(request, promptIds, index))];
        engine.Validate(requests[0]);

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        deadline.CancelAfter(options.RequestTimeout);
        var answer = new ChatWriter(options.ModelId, engine.Text.Tokenizer);
        RequestLog.Describe(http, answer.Id, promptIds.Length, request.User);
        await (request.Stream ? StreamAsync(http, request, requests, answer, deadline.Token) : AnswerAsync(http, request, requests, answer, deadline.Token));
    }

    private async Task AnswerAsync(HttpContext http, ChatRequest request, GenerationRequest[] requests, ChatWriter answer, CancellationToken cancellation)
    {
        var assemblies = requests.Select((_, index) => new Assembly(index, request)).ToArray();
        int numTokens = 0;
        await foreach (Piece piece in MergeAsync(requests, cancellation))
        {
            numTokens++;
            assemblies[piece.Index].Append(piece.Token);
        }
        RequestLog.Finish(http, numTokens);
        await ApiResponse.WriteAsync(http, answer.Completion(assemblies.Select(item => item.Finish()), requests[0].PromptIds.Length, numTokens));
    }

    private async Task StreamAsync(HttpContext http, ChatRequest request, GenerationRequest[] requests, ChatWriter answer, CancellationToken cancellation)
    {
        var events = new EventStream(http);
        var assemblies = requests.Select((_, index) => new Assembly(index, request)).ToArray();
        int numTokens = 0;
        await foreach (Piece piece in MergeAsync(requests, cancellation))
        {
            numTokens++;
            Assembly assembly = assemblies[piece.Index];
            if (assembly.IsNew) await events.SendAsync(answer.Chunk(piece.Index, new JsonObject { ["role"] = "assistant", ["content"] = "" }));
            string text = assembly.Append(piece.Token);
            JsonObject? logprobs = assembly.WantsLogprobs ? answer.Logprobs([piece.Token]) : null;
            if (text.Length > 0 || logprobs is not null)
                await events.SendAsync(answer.Chunk(piece.Index, new JsonObject { ["content"] = text }, null, logprobs));
            if (piece.Token.FinishReason is null) continue;
            ChatChoice choice = assembly.Finish();
            if (choice.ToolCalls.Count > 0)
                await events.SendAsync(answer.Chunk(piece.Index, new JsonObject { ["tool_calls"] = ChatWriter.ToolCalls(choice.ToolCalls) }));
            await events.SendAsync(answer.Chunk(piece.Index, [], choice.FinishReason));
        }
        if (request.IncludeUsage) await events.SendAsync(answer.UsageChunk(requests[0].PromptIds.Length, numTokens));
        await events.EndAsync();
        RequestLog.Finish(http, numTokens);
    }

    /// <summary>The tokens of all choices as they come. The first failure ends them all.</summary>
    private async IAsyncEnumerable<Piece> MergeAsync(
        GenerationRequest[] requests, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var pieces = Channel.CreateUnbounded<Piece>();
        Task[] running = [.. requests.Select((request, index) => PumpAsync(request, index))];
        Task all = Task.WhenAll(running).ContinueWith(
            done => pieces.Writer.TryComplete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            await foreach (Piece piece in pieces.Reader.ReadAllAsync(cancellation)) yield return piece;
        }
        finally
        {
            await stop.CancelAsync();
            await all;
        }

        async Task PumpAsync(GenerationRequest request, int index)
        {
            try
            {
                await foreach (GeneratedToken token in engine.GenerateAsync(request, stop.Token)) pieces.Writer.TryWrite(new Piece(index, token));
            }
            catch
            {
                await stop.CancelAsync();
                throw;
            }
        }
    }

    private static GenerationRequest ToGeneration(ChatRequest request, int[] promptIds, int index) => new()
    {
        PromptIds = promptIds,
        MaxTokens = request.MaxTokens,
        StopStrings = request.Stops,
        Sampling = request.Sampling with { ChoiceIndex = index },
    };

    /// <summary>One answer as it grows.</summary>
    private sealed class Assembly(int index, ChatRequest request)
    {
        private readonly StringBuilder _text = new();
        private readonly List<GeneratedToken> _tokens = [];
        private readonly ToolCallParser? _tools = request.Tools is null ? null : new ToolCallParser();
        private FinishReason _reason;

        public bool IsNew { get; private set; } = true;

        public bool WantsLogprobs => request.Sampling.NumTopLogprobs >= 0;

        /// <summary>Takes a token; returns the text that can be shown.</summary>
        public string Append(GeneratedToken token)
        {
            IsNew = false;
            if (WantsLogprobs) _tokens.Add(token);
            string text = _tools?.Append(token.Text) ?? token.Text;
            if (token.FinishReason is { } reason)
            {
                _reason = reason;
                text += _tools?.Flush();
            }
            _text.Append(text);
            return text;
        }

        public ChatChoice Finish()
        {
            IReadOnlyList<ToolCall> calls = _tools?.Calls ?? [];
            if (!request.AllowsManyCalls && calls.Count > 1) calls = [calls[0]];
            string reason = calls.Count > 0 ? "tool_calls" : _reason == FinishReason.Length ? "length" : "stop";
            return new ChatChoice(index, _text.ToString(), calls, WantsLogprobs ? _tokens : null, reason);
        }
    }
}
