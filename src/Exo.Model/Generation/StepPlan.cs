namespace Exo.Model.Generation;

/// <summary>What a step gives out for a row.</summary>
public enum OutputKind
{
    /// <summary>The next token, sampled by the sequence's settings.</summary>
    Sample,

    /// <summary>The logits over the whole vocabulary.</summary>
    Logits,
}

/// <summary>A row of a sequence's new ids and what is wanted of it.</summary>
public readonly record struct OutputRow(int Row, OutputKind Kind);

/// <summary>How a sequence's tokens are chosen (NUMERICS.md, sampling). The defaults change nothing but the temperature, which is greedy.</summary>
public sealed record SamplingSettings
{
    /// <summary>0 = the most likely token.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the most likely; 0 = all.</summary>
    public int TopK { get; init; }

    /// <summary>The shortest set of most likely tokens that reaches this share; 1 = all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens at least this likely relative to the most likely; 0 = all.</summary>
    public double MinP { get; init; }

    /// <summary>Decides the noise, with <see cref="ChoiceIndex"/>, the position and the token.</summary>
    public ulong Seed { get; init; }

    /// <summary>Tells several answers to one request apart.</summary>
    public int ChoiceIndex { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens that the prompt or the answer has; 1 = off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken from the logits of tokens that the answer has.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Taken from the logits of the answer's tokens, as often as they occur.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Added to single tokens' logits.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = new Dictionary<int, float>();

    /// <summary>Tokens whose log probabilities are given beside the chosen one's; -1 = none at all.</summary>
    public int NumTopLogprobs { get; init; } = -1;

    /// <summary>Refuses settings outside their ranges, by name.</summary>
    /// <exception cref="RequestException">Says which and what was expected.</exception>
    public void Validate()
    {
        Require(Temperature is 0 or (>= 1e-100 and <= 1000), nameof(Temperature), Temperature, "0, or 1E-100 to 1000"); // logits / T stay finite
        Require(TopK >= 0, nameof(TopK), TopK, "0 or more");
        Require(TopP is > 0 and <= 1, nameof(TopP), TopP, "more than 0, at most 1");
        Require(MinP is >= 0 and <= 1, nameof(MinP), MinP, "0 to 1");
        Require(RepetitionPenalty is >= 0.001f and <= 1000, nameof(RepetitionPenalty), RepetitionPenalty, "0.001 to 1000");
        Require(float.Abs(PresencePenalty) <= 1000, nameof(PresencePenalty), PresencePenalty, "-1000 to 1000");
        Require(float.Abs(FrequencyPenalty) <= 1000, nameof(FrequencyPenalty), FrequencyPenalty, "-1000 to 1000");
        Require(NumTopLogprobs is >= -1 and <= 1000, nameof(NumTopLogprobs), NumTopLogprobs, "-1 to 1000");
        foreach ((int id, float bias) in LogitBias)
            Require(id >= 0 && float.Abs(bias) <= 1000, nameof(LogitBias), bias, "ids of 0 or more, biases from -1000 to 1000");

        static void Require(bool holds, string name, double value, string expected)
        {
            if (!holds) throw new RequestException($"{name}: expected {expected}, got {value}");
        }
    }
}

/// <summary>What ranks must know of a sequence when it enters an epoch: how it is sampled, and all its tokens so far.</summary>
/// <param name="Settings">How its tokens are chosen.</param>
/// <param name="PromptLength">Tokens of <paramref name="History"/> that are the prompt.</param>
/// <param name="History">The prompt, and what has been generated in earlier epochs.</param>
public sealed record SequenceStart(SamplingSettings Settings, int PromptLength, int[] History);

/// <summary>One sequence's part of a step.</summary>
public sealed class SequenceStep
{
    /// <summary>Names the sequence within the epoch.</summary>
    public int SequenceId { get; set; }

    /// <summary>Position of the first new id.</summary>
    public int FirstPosition { get; set; }

    /// <summary>New ids; their positions follow each other.</summary>
    public List<int> Ids { get; } = [];

    /// <summary>Pages of the positions from 0 to the last new one.</summary>
    public List<int> Pages { get; } = [];

    /// <summary>Positions that the sequence was admitted for.</summary>
    public int AdmittedLimit { get; set; }

    /// <summary>Set in the sequence's first step of an epoch.</summary>
    public SequenceStart? Start { get; set; }

    /// <summary>Wanted rows, ascending.</summary>
    public List<OutputRow> Outputs { get; } = [];

    internal void Clear()
    {
        Ids.Clear();
        Pages.Clear();
        Outputs.Clear();
        Start = null;
    }
}

/// <summary>
/// The whole of one step, the same for every rank: who computes which rows where, and what comes out. Reused by its maker once the
/// step's result has been taken.
/// </summary>
public sealed class StepPlan
{
    private readonly List<SequenceStep> _spare = [];

    /// <summary>The plan's epoch: steps of another one are refused.</summary>
    public long Epoch { get; set; }

    /// <summary>Counts the steps of an epoch.</summary>
    public int StepNumber { get; set; }

    /// <summary>Sequences with rows in this step.</summary>
    public List<SequenceStep> Sequences { get; } = [];

    /// <summary>Sequences that have ended: ranks forget them before the step.</summary>
    public List<int> Released { get; } = [];

    /// <summary>Adds a sequence, reusing what an earlier step left.</summary>
    public SequenceStep AddSequence()
    {
        SequenceStep step = _spare.Count > 0 ? _spare[^1] : new SequenceStep();
        if (_spare.Count > 0) _spare.RemoveAt(_spare.Count - 1);
        Sequences.Add(step);
        return step;
    }

    /// <summary>Empties the plan for the next step.</summary>
    public void Clear()
    {
        foreach (SequenceStep step in Sequences)
        {
            step.Clear();
            _spare.Add(step);
        }
        Sequences.Clear();
        Released.Clear();
    }
}
