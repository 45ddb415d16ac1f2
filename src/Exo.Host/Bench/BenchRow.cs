namespace Exo.Host.Bench;

/// <summary>One round of a test, and the machine's limits measured before and after it.</summary>
/// <param name="Seconds">Time of the test.</param>
/// <param name="LimitBytesPerSecond">Reading memory, mean of before and after.</param>
/// <param name="LimitFlopsPerSecond">FMA on registers, mean of before and after.</param>
internal readonly record struct BenchSample(double Seconds, double LimitBytesPerSecond, double LimitFlopsPerSecond);

/// <summary>All rounds of a test, and what one run of it reads and computes.</summary>
/// <param name="Test">What was measured.</param>
/// <param name="Bytes">Packed weights, once a step, and the keys and values seen: of the whole test.</param>
/// <param name="Flops">2 * weights * tokens, of the whole test.</param>
/// <param name="AllocatedBytes">Managed heap, of the last round.</param>
/// <param name="Samples">One a round.</param>
internal sealed record BenchRow(BenchTest Test, double Bytes, double Flops, long AllocatedBytes, IReadOnlyList<BenchSample> Samples)
{
    /// <summary>Tokens of one run.</summary>
    public int NumTokens => Test.NumTokens * Test.NumSequences;

    /// <summary>Median over the rounds.</summary>
    public double TokensPerSecond => NumTokens / MedianSeconds;

    /// <summary>Bytes read a second: at prefill far below the limit, whose reason is arithmetic.</summary>
    public double BytesPerSecond => Bytes / MedianSeconds;

    /// <summary>Operations a second.</summary>
    public double FlopsPerSecond => Flops / MedianSeconds;

    /// <summary>Median over the rounds of what was read a second / what the machine can read beside it.</summary>
    public double ShareOfBandwidth => Median(Samples.Select(sample => Bytes / sample.Seconds / sample.LimitBytesPerSecond));

    /// <summary>Median over the rounds of operations a second / float32 FMA beside it; integer weights may exceed 1.</summary>
    public double ShareOfArithmetic => Median(Samples.Select(sample => Flops / sample.Seconds / sample.LimitFlopsPerSecond));

    /// <summary>True where the test is nearer to the memory's limit than to that of the arithmetic.</summary>
    public bool IsBoundByMemory => ShareOfBandwidth >= ShareOfArithmetic;

    /// <summary>Share of the limit that bounds it.</summary>
    public double ShareOfLimit => Math.Max(ShareOfBandwidth, ShareOfArithmetic);

    private double MedianSeconds => Median(Samples.Select(sample => sample.Seconds));

    /// <summary>The middle value, or the mean of the two in the middle.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
