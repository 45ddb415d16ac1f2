using System.Diagnostics;

namespace Exo.Net.Transports;

/// <summary>A point on the monotonic clock at which a wait gives up.</summary>
public readonly record struct Deadline
{
    private readonly long _timestamp;

    private Deadline(long timestamp) => _timestamp = timestamp;

    /// <summary>True once the deadline has come.</summary>
    public bool IsPast => Stopwatch.GetTimestamp() >= _timestamp;

    /// <summary>Time left, not below zero.</summary>
    public TimeSpan Remaining
    {
        get
        {
            TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), _timestamp);
            return left < TimeSpan.Zero ? TimeSpan.Zero : left;
        }
    }

    /// <summary>Whole milliseconds to wait, rounded up, not below zero and not above <paramref name="limitMs"/>.</summary>
    public int RemainingMs(int limitMs) => (int)Math.Min(Math.Ceiling(Remaining.TotalMilliseconds), limitMs);

    /// <summary>The deadline that lies this far ahead (at most a day).</summary>
    public static Deadline After(TimeSpan time)
    {
        if (time < TimeSpan.Zero || time > TimeSpan.FromDays(1))
            throw new ArgumentOutOfRangeException(nameof(time), time, "expected a time between zero and a day");
        return new Deadline(Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency));
    }
}
