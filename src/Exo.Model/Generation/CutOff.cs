using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Exo.Model.Parallel;

namespace Exo.Model.Generation;

/// <summary>
/// Exact cut-offs over a vocabulary that is spread over ranks: keeps the prefix, in the order (weight descending, id ascending), that
/// first reaches a number of tokens or a sum of weights. A rank's tokens are a list of ids, ascending, and one of their weights, int64 in
/// [0, 2^40]; what is kept moves to the front of both. Ranks find the weight of the last kept token digit by digit through histograms,
/// whose sums are exact in any order: 1 KiB a rank and digit.
/// </summary>
internal sealed class CutOff(ProcessGroup group)
{
    private const int DigitBits = 7;
    private const int NumDigits = 6; // 42 bits hold 2^40
    private const int NumBuckets = 1 << DigitBits;
    private readonly long[] _local = new long[NumBuckets];
    private readonly long[] _all = new long[NumBuckets * group.WorldSize];
    private readonly long[] _one = new long[1];
    private readonly long[] _ones = new long[group.WorldSize];

    private enum Measure
    {
        Tokens,
        Weights,
    }

    /// <summary>Keeps the <paramref name="count"/> first tokens of all ranks; returns how many of this rank's.</summary>
    public int KeepCount(Span<int> ids, Span<long> weights, long count) => Keep(ids, weights, count, Measure.Tokens);

    /// <summary>Keeps the shortest prefix whose weights add up to at least <paramref name="target"/>; returns how many of this rank's.</summary>
    public int KeepSum(Span<int> ids, Span<long> weights, long target) => Keep(ids, weights, target, Measure.Weights);

    /// <summary>Keeps the tokens that weigh at least <paramref name="least"/>; returns how many.</summary>
    public static int KeepHeavy(Span<int> ids, Span<long> weights, long least)
    {
        int kept = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            i = SkipOutside(weights, i, least, long.MaxValue);
            if (i == weights.Length) break;
            (ids[kept], weights[kept]) = (ids[i], weights[i]);
            kept++;
        }
        return kept;
    }

    /// <summary>The sum of all ranks' values.</summary>
    public long Sum(long local)
    {
        Gather(local);
        long sum = 0;
        foreach (long value in _ones) sum += value;
        return sum;
    }

    private int Keep(Span<int> ids, Span<long> weights, long target, Measure measure)
    {
        int count = weights.Length;
        long threshold = 0, remaining = target;
        for (int digit = NumDigits - 1; digit >= 0; digit--)
        {
            int shift = digit * DigitBits;
            Histogram(weights[..count], threshold, shift, measure);
            int bucket = NumBuckets - 1;
            for (; bucket > 0 && _local[bucket] < remaining; bucket--) remaining -= _local[bucket];
            if (bucket == 0) continue;
            threshold |= (long)bucket << shift;
            count = KeepHeavy(ids[..count], weights[..count], threshold); // the next digits look at few
        }
        if (threshold == 0 && measure == Measure.Weights) return count; // what weighs nothing is never in the way of a sum
        // `remaining` of the tokens that weigh exactly the threshold stay (of their weight, in sum mode): those with the lowest ids.
        return DropTies(ids[..count], weights[..count], threshold, measure == Measure.Tokens ? remaining : (remaining + threshold - 1) / threshold);
    }

    /// <summary>Of the tokens of all ranks that weigh <paramref name="weight"/>, keeps the first <paramref name="quota"/>.</summary>
    private int DropTies(Span<int> ids, Span<long> weights, long weight, long quota)
    {
        Gather(weights.Count(weight));
        for (int rank = 0; rank < group.Rank; rank++) quota -= _ones[rank];
        int kept = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] == weight && quota-- <= 0) continue;
            (ids[kept], weights[kept]) = (ids[i], weights[i]);
            kept++;
        }
        return kept;
    }

    /// <summary>
    /// Counts or sums, over all ranks, of the tokens that share the digits above <paramref name="shift"/> with the prefix. Bucket 0, where
    /// most of a vocabulary is and which nobody asks for, is left empty.
    /// </summary>
    private void Histogram(ReadOnlySpan<long> weights, long prefix, int shift, Measure measure)
    {
        Array.Clear(_local);
        long start = prefix + (1L << shift), end = prefix + (1L << (shift + DigitBits));
        for (int i = SkipOutside(weights, 0, start, end); i < weights.Length; i = SkipOutside(weights, i + 1, start, end))
            _local[(int)(weights[i] >> shift) & (NumBuckets - 1)] += measure == Measure.Tokens ? 1 : weights[i];
        if (group.WorldSize == 1) return;
        group.AllGather(MemoryMarshal.AsBytes(_local.AsSpan()), MemoryMarshal.AsBytes(_all.AsSpan()));
        Array.Clear(_local);
        for (int i = 0; i < _all.Length; i++) _local[i % NumBuckets] += _all[i];
    }

    /// <summary>The first index from <paramref name="i"/> on whose weight lies in [start, end), or the length.</summary>
    private static int SkipOutside(ReadOnlySpan<long> weights, int i, long start, long end)
    {
        if (i < weights.Length && weights[i] >= start && weights[i] < end) return i;
        ref long first = ref MemoryMarshal.GetReference(weights);
        Vector256<long> low = Vector256.Create(start), high = Vector256.Create(end);
        for (; i <= weights.Length - Vector256<long>.Count; i += Vector256<long>.Count)
        {
            var four = Vector256.LoadUnsafe(ref first, (nuint)i);
            uint inside = (Vector256.GreaterThanOrEqual(four, low) & Vector256.LessThan(four, high)).ExtractMostSignificantBits();
            if (inside != 0) return i + System.Numerics.BitOperations.TrailingZeroCount(inside);
        }
        for (; i < weights.Length; i++)
            if (weights[i] >= start && weights[i] < end) return i;
        return i;
    }

    private void Gather(long local)
    {
        _one[0] = local;
        group.AllGather(MemoryMarshal.AsBytes(_one.AsSpan()), MemoryMarshal.AsBytes(_ones.AsSpan()));
    }
}
