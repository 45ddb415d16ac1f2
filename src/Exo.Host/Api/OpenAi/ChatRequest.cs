using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Model.Generation;

namespace Exo.Host.Api.OpenAi;

/// <summary>
/// The body of POST /v1/chat/completions. Every field is honoured or refused by name. Beyond OpenAI's: top_k, min_p and
/// repetition_penalty, as other local servers have them.
/// </summary>
internal sealed record ChatRequest
{
    private const int MaxStops = 16;
    private const int MaxChoices = 16;
    private const int MaxBiases = 1024;
    private const int MaxUserLength = 256;

    public required string? Model { get; init; }
    public required JsonArray Messages { get; init; }
    public required JsonArray? Tools { get; init; }
    public required bool AllowsManyCalls { get; init; }
    public required bool Stream { get; init; }
    public required bool IncludeUsage { get; init; }
    public required int NumChoices { get; init; }
    public required int MaxTokens { get; init; }
    public required IReadOnlyList<string> Stops { get; init; }
    public required SamplingSettings Sampling { get; init; }
    public required string? User { get; init; }

    public static ChatRequest Read(RequestBody body)
    {
        bool stream = body.Flag("stream");
        RequestBody? streamOptions = body.Object("stream_options");
        if (streamOptions is not null && !stream) throw ApiException.Bad("stream_options", "nothing, unless stream is true", "an object");
        bool includeUsage = streamOptions?.Flag("include_usage") ?? false;
        streamOptions?.RefuseRest();
        JsonArray? tools = ChatTools.Read(body);
        long? maxTokens = body.Integer("max_completion_tokens", 1, int.MaxValue), older = body.Integer("max_tokens", 1, int.MaxValue);
        if (maxTokens is not null && older is not null && maxTokens != older)
            throw ApiException.Bad("max_tokens", $"nothing, or max_completion_tokens' {maxTokens}", $"{older}");
        var request = new ChatRequest
        {
            Model = body.Text("model"),
            Messages = ChatMessageReader.Read(body.List("messages") ?? throw ApiException.Bad("messages", "a list", "nothing")),
            Tools = tools,
            AllowsManyCalls = body.Flag("parallel_tool_calls", true),
            Stream = stream,
            IncludeUsage = includeUsage,
            NumChoices = (int)(body.Integer("n", 1, MaxChoices) ?? 1),
            MaxTokens = (int)(maxTokens ?? older ?? 0),
            Stops = ReadStops(body.Take("stop")),
            Sampling = ReadSampling(body),
            User = ReadUser(body),
        };
        RefuseUnsupported(body);
        body.RefuseRest();
        return request;
    }

    private static SamplingSettings ReadSampling(RequestBody body)
    {
        bool wantsLogprobs = body.Flag("logprobs");
        long? top = body.Integer("top_logprobs", 0, 20);
        if (top is not null && !wantsLogprobs) throw ApiException.Bad("top_logprobs", "nothing, unless logprobs is true", $"{top}");
        return new SamplingSettings
        {
            Temperature = body.Number("temperature", 1, 0, 2),
            TopP = Math.Max(body.Number("top_p", 1, 0, 1), 1e-9),
            TopK = (int)(body.Integer("top_k", 0, int.MaxValue) ?? 0),
            MinP = body.Number("min_p", 0, 0, 1),
            RepetitionPenalty = (float)body.Number("repetition_penalty", 1, 0.01, 100),
            PresencePenalty = (float)body.Number("presence_penalty", 0, -2, 2),
            FrequencyPenalty = (float)body.Number("frequency_penalty", 0, -2, 2),
            Seed = body.Integer("seed", long.MinValue, long.MaxValue) is long seed ? (ulong)seed : (ulong)Random.Shared.NextInt64(),
            LogitBias = ReadBias(body.Take("logit_bias")),
            NumTopLogprobs = wantsLogprobs ? (int)(top ?? 0) : -1,
        };
    }

    private static Dictionary<int, float> ReadBias(JsonElement? field)
    {
        var bias = new Dictionary<int, float>();
        if (field is not { } value) return bias;
        if (value.ValueKind != JsonValueKind.Object) throw ApiException.Bad("logit_bias", "an object", value.GetRawText());
        if (value.GetPropertyCount() > MaxBiases) throw ApiException.Bad("logit_bias", $"at most {MaxBiases} tokens", $"{value.GetPropertyCount()}");
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (!int.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                throw ApiException.Bad("logit_bias", "token ids as names", property.Name);
            if (property.Value.ValueKind != JsonValueKind.Number || !property.Value.TryGetDouble(out double number) || !(Math.Abs(number) <= 100))
                throw ApiException.Bad($"logit_bias.{property.Name}", "a number from -100 to 100", property.Value.GetRawText());
            bias[id] = (float)number;
        }
        return bias;
    }

    private static string[] ReadStops(JsonElement? field)
    {
        if (field is not { } value) return [];
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        if (items.Length > MaxStops) throw ApiException.Bad("stop", $"at most {MaxStops} strings", $"{items.Length}");
        string[] stops = [.. items.Select(item => RequestBody.TextOf(item, "stop"))];
        return stops.All(stop => stop.Length > 0) ? stops : throw ApiException.Bad("stop", "strings that are not empty", "an empty one");
    }

    private static string? ReadUser(RequestBody body)
    {
        string? user = body.Text("user");
        return user is null || user.Length <= MaxUserLength ? user : throw ApiException.Bad("user", $"at most {MaxUserLength} characters", $"{user.Length}");
    }

    /// <summary>Fields whose harmless values are accepted and whose others are refused.</summary>
    private static void RefuseUnsupported(RequestBody body)
    {
        if (body.Object("response_format") is { } format)
        {
            string? type = format.Text("type");
            if (type != "text") throw ApiException.Unsupported("response_format", $"only the type text is supported, got {type}");
            format.RefuseRest();
        }
        if (body.Flag("store")) throw ApiException.Unsupported("store", "answers are not stored");
        if (body.Text("service_tier") is { } tier && tier is not ("auto" or "default"))
            throw ApiException.Unsupported("service_tier", $"only auto and default are supported, got {tier}");
        foreach (JsonElement modality in body.List("modalities") ?? [])
            if (RequestBody.TextOf(modality, "modalities") != "text") throw ApiException.Unsupported("modalities", "only text is supported");
    }
}
