using System.Runtime.InteropServices;
using Exo.Model.Parallel;

namespace Exo.Model.Generation;

/// <summary>
/// Exact cut-offs over a vocabulary that is spread over ranks: keeps the prefix, in the order (weight descending, id ascending), that
/// first reaches a number of tokens or a sum of weights. Weights are int64 in [0, 2^40]; a dropped token has weight -1. Ranks find the
/// weight of the last kept token digit by digit through histograms, whose sums are exact in any order.
/// </summary>
internal sealed class CutOff(ProcessGroup group)
{
    private const int DigitBits = 11;
    private const int NumDigits = 4; // 44 bits hold 2^40
    private const int NumBuckets = 1 << DigitBits;
    private readonly long[] _local = new long[2 * NumBuckets]; // counts, then sums
    private readonly long[] _all = new long[2 * NumBuckets * group.WorldSize];
    private readonly long[] _one = new long[1];
    private readonly long[] _ones = new long[group.WorldSize];

    /// <summary>Keeps the <paramref name="count"/> first tokens.</summary>
    public void KeepCount(Span<long> weights, long count) => Keep(weights, count, countsTokens: true);

    /// <summary>Keeps the shortest prefix whose weights add up to at least <paramref name="target"/>.</summary>
    public void KeepSum(Span<long> weights, long target) => Keep(weights, target, countsTokens: false);

    /// <summary>The sum of all ranks' values.</summary>
    public long Sum(long local)
    {
        Gather(local);
        long sum = 0;
        foreach (long value in _ones) sum += value;
        return sum;
    }

    private void Keep(Span<long> weights, long target, bool countsTokens)
    {
        long threshold = 0, remaining = target;
        for (int digit = NumDigits - 1; digit >= 0; digit--)
        {
            int shift = digit * DigitBits;
            Histogram(weights, threshold, shift);
            int bucket = NumBuckets - 1;
            for (; bucket > 0; bucket--)
            {
                long here = _local[countsTokens ? bucket : NumBuckets + bucket];
                if (here >= remaining) break;
                remaining -= here;
            }
            threshold |= (long)bucket << shift;
        }
        // `remaining` of the tokens that weigh exactly the threshold stay (of their weight, in sum mode): those with the lowest ids.
        long ties = countsTokens ? remaining : threshold == 0 ? long.MaxValue : (remaining + threshold - 1) / threshold;
        DropBelow(weights, threshold, ties);
    }

    private void DropBelow(Span<long> weights, long threshold, long ties)
    {
        long own = 0;
        foreach (long weight in weights)
            if (weight == threshold) own++;
        Gather(own);
        long before = 0;
        for (int rank = 0; rank < group.Rank; rank++) before += _ones[rank];
        long quota = Math.Max(0, ties - before);
        for (int i = 0; i < weights.Length; i++)
            if (weights[i] < threshold || (weights[i] == threshold && quota-- <= 0)) weights[i] = -1;
    }

    /// <summary>Counts and sums of the tokens that share the digits above <paramref name="shift"/> with the prefix, over all ranks.</summary>
    private void Histogram(ReadOnlySpan<long> weights, long prefix, int shift)
    {
        Array.Clear(_local);
        long high = prefix >> (shift + DigitBits);
        foreach (long weight in weights)
        {
            if (weight < 0 || weight >> (shift + DigitBits) != high) continue;
            int bucket = (int)(weight >> shift) & (NumBuckets - 1);
            _local[bucket]++;
            _local[NumBuckets + bucket] += weight;
        }
        if (group.WorldSize == 1) return;
        group.AllGather(MemoryMarshal.AsBytes(_local.AsSpan()), MemoryMarshal.AsBytes(_all.AsSpan()));
        Array.Clear(_local);
        for (int i = 0; i < _all.Length; i++) _local[i % _local.Length] += _all[i];
    }

    private void Gather(long local)
    {
        _one[0] = local;
        group.AllGather(MemoryMarshal.AsBytes(_one.AsSpan()), MemoryMarshal.AsBytes(_ones.AsSpan()));
    }
}
