namespace Exo.Model.Generation;

/// <summary>What a rank remembers of a sequence between steps: how often which token occurred, for the penalties.</summary>
internal sealed class SequenceState
{
    private readonly HashSet<int> _seen = [];
    private readonly Dictionary<int, int> _generated = [];
    private readonly (int Id, float Bias)[] _biases;

    /// <summary>The state of a sequence that enters, with room for <paramref name="capacity"/> different tokens: nothing is allocated later.</summary>
    public SequenceState(SequenceStart start, int capacity)
    {
        Settings = start.Settings;
        _biases = [.. Settings.LogitBias.Select(pair => (pair.Key, pair.Value))];
        if (!HasPenalties) return;
        _seen.EnsureCapacity(capacity);
        _generated.EnsureCapacity(capacity);
        for (int i = 0; i < start.History.Length; i++) Count(start.History[i], i < start.PromptLength);
    }

    public SamplingSettings Settings { get; }

    /// <summary>True where logits must be changed before they are compared.</summary>
    public bool ChangesLogits => HasPenalties || _biases.Length > 0;

    private bool HasPenalties => Settings.RepetitionPenalty != 1 || Settings.PresencePenalty != 0 || Settings.FrequencyPenalty != 0;

    /// <summary>Counts a token that has been generated.</summary>
    public void Append(int id) => Count(id, isPrompt: false);

    /// <summary>Applies penalties, then bias, to the logits of the vocabulary rows [firstId, firstId + logits.Length).</summary>
    public void Adjust(Span<float> logits, int firstId)
    {
        if (Settings.RepetitionPenalty != 1)
        {
            foreach (int id in _seen)
            {
                if ((uint)(id - firstId) >= (uint)logits.Length) continue;
                ref float logit = ref logits[id - firstId];
                logit = logit > 0 ? logit / Settings.RepetitionPenalty : logit * Settings.RepetitionPenalty;
            }
        }
        if (Settings.PresencePenalty != 0 || Settings.FrequencyPenalty != 0)
        {
            foreach ((int id, int count) in _generated)
                if ((uint)(id - firstId) < (uint)logits.Length) logits[id - firstId] -= Settings.PresencePenalty + (count * Settings.FrequencyPenalty);
        }
        foreach ((int id, float bias) in _biases)
            if ((uint)(id - firstId) < (uint)logits.Length) logits[id - firstId] += bias;
    }

    private void Count(int id, bool isPrompt)
    {
        if (!HasPenalties) return;
        _seen.Add(id);
        if (!isPrompt) _generated[id] = _generated.GetValueOrDefault(id) + 1;
    }
}
