namespace Exo.Model.Generation;

/// <summary>What to continue, how, and until when.</summary>
public sealed record GenerationRequest
{
    /// <summary>The prompt, at least one token.</summary>
    public required int[] PromptIds { get; init; }

    /// <summary>Tokens of the answer, at most; 0 = as many as the context holds.</summary>
    public int MaxTokens { get; init; }

    /// <summary>How tokens are chosen.</summary>
    public SamplingSettings Sampling { get; init; } = new();

    /// <summary>Texts that end the answer; they are not given out. None may be empty.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Token ids that end the answer; null = the model's own.</summary>
    public IReadOnlyCollection<int>? EndTokenIds { get; init; }
}

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>An end token, or a stop string.</summary>
    Stop,

    /// <summary>MaxTokens, or the end of the context.</summary>
    Length,
}

/// <summary>
/// One token of an answer. Text is what can be shown now: nothing while a character or a possible stop string is incomplete. The last
/// token carries the reason, and what text was held back.
/// </summary>
public sealed record GeneratedToken(
    int Id, string Text, double Logprob, IReadOnlyList<TokenLogprob> TopLogprobs, FinishReason? FinishReason);

/// <summary>A request that cannot be served: says which limit it breaks.</summary>
public sealed class RequestException(string message) : ArgumentException(message);

/// <summary>Too many requests are waiting.</summary>
public sealed class EngineBusyException(string message) : InvalidOperationException(message);
