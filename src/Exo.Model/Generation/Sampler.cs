using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Exo.Kernels.Numerics;
using Exo.Model.Parallel;

namespace Exo.Model.Generation;

/// <summary>A non-finite logit: the arithmetic of the model overflowed. The contract covers finite values only.</summary>
public sealed class NonFiniteException(string message) : ArithmeticException(message);

/// <summary>
/// Chooses tokens from logits that are spread over the ranks of a tensor group by vocabulary rows, without gathering them: every rank
/// reaches the same token, and every split the same as one rank (NUMERICS.md, sampling).
/// </summary>
internal sealed class Sampler
{
    private readonly ProcessGroup _group;
    private readonly Slice _vocabulary;
    private readonly CutOff _cutOff;
    private readonly float[] _adjusted;
    private readonly int[] _localIds; // 0, 1, 2, ...: rows of this rank's vocabulary
    private readonly int[] _ids; // candidates, ascending, and what they weigh
    private readonly long[] _weights;
    private readonly Candidate[] _mine = new Candidate[1];
    private readonly Candidate[] _all;
    private Candidate[] _top = [];
    private Candidate[] _allTop = [];

    /// <summary>A sampler for this rank's rows of the vocabulary.</summary>
    public Sampler(ProcessGroup group, Slice vocabulary)
    {
        (_group, _vocabulary) = (group, vocabulary);
        _cutOff = new CutOff(group);
        _adjusted = new float[vocabulary.Count];
        _localIds = [.. Enumerable.Range(0, vocabulary.Count)];
        _ids = new int[vocabulary.Count];
        _weights = new long[vocabulary.Count];
        _all = new Candidate[group.WorldSize];
    }

    private readonly record struct Candidate(double Score, int Id);

    /// <summary>
    /// The token at <paramref name="position"/> of a sequence. logits: this rank's rows of the vocabulary, unmodified; log probabilities
    /// go to <paramref name="result"/> where the settings ask for them.
    /// </summary>
    public SampledToken Sample(ReadOnlySpan<float> logits, int sequenceId, SequenceState state, int position, StepResult result)
    {
        SamplingSettings settings = state.Settings;
        double rawMax = RequireFinite(logits);
        ReadOnlySpan<float> adjusted = logits;
        double max = rawMax;
        if (state.ChangesLogits)
        {
            logits.CopyTo(_adjusted);
            state.Adjust(_adjusted, _vocabulary.Start);
            adjusted = _adjusted;
            max = RequireFinite(adjusted);
        }
        int id = settings.Temperature <= 0 ? Best(adjusted, max).Id : SampleNoisy(adjusted, settings, max, position);
        int topStart = result.TopLogprobs.Count;
        double logprob = settings.NumTopLogprobs < 0 ? double.NaN : Logprobs(logits, rawMax, id, settings.NumTopLogprobs, result.TopLogprobs);
        return new SampledToken(sequenceId, id, logprob, topStart, result.TopLogprobs.Count);
    }

    /// <summary>The highest logit of all ranks; a NaN or an infinity anywhere is an error on every rank.</summary>
    private double RequireFinite(ReadOnlySpan<float> logits)
    {
        double max = Gather(new Candidate(HighestLogit.OfFinite(logits), 0)).Score;
        return double.IsFinite(max) ? max : throw new NonFiniteException("a logit is not a finite number");
    }

    /// <summary>The lowest id of those with the highest logit of all ranks, <paramref name="max"/>.</summary>
    private Candidate Best(ReadOnlySpan<float> logits, double max)
    {
        int index = HighestLogit.FirstIndexOf(logits, (float)max);
        return Gather(index < 0 ? new Candidate(double.NegativeInfinity, int.MaxValue) : new Candidate(max, _vocabulary.Start + index));
    }

    /// <summary>The best of all ranks' candidates: highest score, then lowest id; NaN wins.</summary>
    private Candidate Gather(Candidate mine)
    {
        _mine[0] = mine;
        _group.AllGather(MemoryMarshal.AsBytes(_mine.AsSpan()), MemoryMarshal.AsBytes(_all.AsSpan()));
        Candidate best = _all[0];
        foreach (Candidate other in _all)
            if (double.IsNaN(other.Score) || other.Score > best.Score || (other.Score == best.Score && other.Id < best.Id)) best = other;
        return best;
    }

    private int SampleNoisy(ReadOnlySpan<float> logits, SamplingSettings settings, double max, int position)
    {
        double temperature = settings.Temperature;
        TokenWeights.Fill(logits, max, temperature, _weights);
        _localIds.CopyTo(_ids, 0);
        int count = CutDown(settings, logits.Length);
        var random = new CounterRandom(settings.Seed, settings.ChoiceIndex, position);
        var best = new Candidate(double.NegativeInfinity, int.MaxValue);

        // -log(u) >= 1 - u, so a score is at most l / T - log(1 - u): most tokens are out without a logarithm. The bound is a little low,
        // by more than what rounding does to scores.
        double bound = 0, slack = 1e-9 + (1e-15 * Math.Abs(max / temperature));
        for (int i = 0; i < count; i++)
        {
            int row = _ids[i], id = _vocabulary.Start + row;
            double uniform = random.Uniform(id);
            if ((1 - uniform) * bound > _weights[i] + 1) continue;
            double score = (logits[row] / temperature) + CounterRandom.Gumbel(uniform);
            if (score <= best.Score) continue;
            best = new Candidate(score, id);
            bound = Fp.Exp(score - (max / temperature) - slack) * TokenWeights.One;
        }
        return Gather(best).Id;
    }

    /// <summary>Top-k, top-p and min-p: what is left is the head of _ids and _weights; returns how many.</summary>
    private int CutDown(SamplingSettings settings, int count)
    {
        if (settings.TopK > 0) count = _cutOff.KeepCount(_ids.AsSpan(0, count), _weights.AsSpan(0, count), settings.TopK);
        if (settings.TopP < 1)
        {
            long total = _cutOff.Sum(TensorPrimitives.Sum<long>(_weights.AsSpan(0, count)));
            count = _cutOff.KeepSum(_ids.AsSpan(0, count), _weights.AsSpan(0, count), (long)Math.Ceiling(settings.TopP * total));
        }
        if (settings.MinP <= 0) return count;
        return CutOff.KeepHeavy(_ids.AsSpan(0, count), _weights.AsSpan(0, count), (long)Math.Ceiling(settings.MinP * TokenWeights.One));
    }

    /// <summary>
    /// (l - max) - log(total * 2^-40) of the chosen and the <paramref name="count"/> most likely tokens. Returns the chosen one's.
    /// </summary>
    private double Logprobs(ReadOnlySpan<float> logits, double max, int chosen, int count, List<TokenLogprob> output)
    {
        TokenWeights.Fill(logits, max, 1, _weights);
        double logTotal = Fp.Log(_cutOff.Sum(TensorPrimitives.Sum<long>(_weights)) / TokenWeights.One);
        bool isMine = chosen >= _vocabulary.Start && chosen < _vocabulary.End;
        double logit0 = Gather(isMine ? new Candidate(logits[chosen - _vocabulary.Start], chosen) : new Candidate(double.NegativeInfinity, int.MaxValue)).Score;
        if (count > 0)
        {
            int total = MostLikely(logits, count);
            for (int i = 0; i < total; i++) output.Add(new TokenLogprob(_allTop[i].Id, _allTop[i].Score - max - logTotal));
        }
        return logit0 - max - logTotal;
    }

    /// <summary>Puts the most likely tokens of all ranks at the head of _allTop; returns how many there are.</summary>
    private int MostLikely(ReadOnlySpan<float> logits, int count)
    {
        if (_top.Length < count)
        {
            _top = new Candidate[count];
            _allTop = new Candidate[count * _group.WorldSize];
        }
        Span<Candidate> top = _top.AsSpan(0, count), all = _allTop.AsSpan(0, count * _group.WorldSize);
        int found = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (found == count && logits[i] <= top[count - 1].Score) continue;
            int at = found < count ? found++ : count - 1;
            for (; at > 0 && top[at - 1].Score < logits[i]; at--) top[at] = top[at - 1];
            top[at] = new Candidate(logits[i], _vocabulary.Start + i);
        }
        top[found..].Fill(new Candidate(double.NegativeInfinity, int.MaxValue));
        _group.AllGather(MemoryMarshal.AsBytes(top), MemoryMarshal.AsBytes(all));
        all.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Id.CompareTo(b.Id));
        int total = 0;
        while (total < count && total < all.Length && all[total].Id != int.MaxValue) total++;
        return total;
    }
}
