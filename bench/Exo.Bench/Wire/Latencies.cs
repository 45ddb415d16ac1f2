using System.Diagnostics;

namespace Exo.Bench.Wire;

/// <summary>Times of one operation, many times: the percentiles that count.</summary>
public sealed record Latencies(string Name, double P50Us, double P99Us)
{
    /// <summary>Runs <paramref name="operation"/> until it is warm, then takes the time of each of <paramref name="count"/> runs.</summary>
    public static Latencies Measure(string name, int warmUp, int count, Action operation)
    {
        for (int i = 0; i < warmUp; i++) operation();
        long[] ticks = new long[count];
        long last = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            operation();
            long now = Stopwatch.GetTimestamp();
            ticks[i] = now - last;
            last = now;
        }
        Array.Sort(ticks);
        double toUs = 1e6 / Stopwatch.Frequency;
        return new Latencies(name, ticks[count / 2] * toUs, ticks[(int)(count * 0.99)] * toUs);
    }
}
