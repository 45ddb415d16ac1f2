namespace Exo.WeightsTools.Running;

/// <summary>How far two models' logits lie apart, added up row by row.</summary>
public sealed class LogitsComparison
{
    private long _numRows;
    private long _numAgreeing;
    private long _numLogits;
    private double _sum;
    private double _sumOfSquares;
    private double _sumOfDivergences;

    /// <summary>Largest absolute difference of two logits.</summary>
    public double LargestDifference { get; private set; }

    /// <summary>Standard deviation of the first model's logits, the measure for differences.</summary>
    public double Deviation => Math.Sqrt(Math.Max(_sumOfSquares / _numLogits - _sum / _numLogits * (_sum / _numLogits), 0));

    /// <summary>Mean of KL(first || second) over the positions, in nats.</summary>
    public double MeanDivergence => _sumOfDivergences / _numRows;

    /// <summary>Largest KL(first || second) of a position, in nats.</summary>
    public double LargestDivergence { get; private set; }

    /// <summary>Share of the positions at which both give the highest logit to the same id.</summary>
    public double Agreement => (double)_numAgreeing / _numRows;

    public long NumRows => _numRows;

    /// <summary>Adds a position.</summary>
    public void Add(ReadOnlySpan<float> first, ReadOnlySpan<float> second)
    {
        if (first.Length != second.Length) throw new ArgumentException($"expected {first.Length} logits, got {second.Length}");
        _numRows++;
        _numLogits += first.Length;
        if (LogitsRun.ArgMax(first) == LogitsRun.ArgMax(second)) _numAgreeing++;
        double firstTotal = LogSumExp(first), secondTotal = LogSumExp(second), divergence = 0;
        for (int id = 0; id < first.Length; id++)
        {
            LargestDifference = Math.Max(LargestDifference, Math.Abs((double)first[id] - second[id]));
            _sum += first[id];
            _sumOfSquares += (double)first[id] * first[id];
            double logP = first[id] - firstTotal, logQ = second[id] - secondTotal;
            divergence += Math.Exp(logP) * (logP - logQ);
        }
        _sumOfDivergences += divergence;
        LargestDivergence = Math.Max(LargestDivergence, divergence);
    }

    private static double LogSumExp(ReadOnlySpan<float> logits)
    {
        double max = logits[LogitsRun.ArgMax(logits)], sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - max);
        return max + Math.Log(sum);
    }
}
