namespace Exo.Model.Generation;

/// <summary>A token and the natural logarithm of its probability, before temperature and penalties.</summary>
public readonly record struct TokenLogprob(int Id, double Logprob);

/// <summary>A sampled token. The range [TopStart, TopEnd) of <see cref="StepResult.TopLogprobs"/> holds the most likely ones.</summary>
public readonly record struct SampledToken(int SequenceId, int Id, double Logprob, int TopStart, int TopEnd);

/// <summary>
/// What a step gave out, in the order of the plan's outputs. Belongs to the runner and is valid until its next result is taken.
/// </summary>
public sealed class StepResult
{
    /// <summary>Sampled tokens.</summary>
    public List<SampledToken> Tokens { get; } = [];

    /// <summary>Log probabilities of the most likely tokens, see <see cref="SampledToken"/>.</summary>
    public List<TokenLogprob> TopLogprobs { get; } = [];

    /// <summary>Logits of the rows that asked for them, [vocabulary] each.</summary>
    public List<float[]> Logits { get; } = [];

    /// <summary>Empties the result for the next step.</summary>
    public void Clear()
    {
        Tokens.Clear();
        TopLogprobs.Clear();
        Logits.Clear();
    }
}
