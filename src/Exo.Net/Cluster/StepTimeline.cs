using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Exo.Net.Cluster;

/// <summary>What a rank did in a span of time.</summary>
public enum TimelineKind
{
    /// <summary>A whole step; what no other span covers is compute.</summary>
    Step,
    /// <summary>An operation that ends for nobody before all have begun it.</summary>
    Collective,
    /// <summary>The same, with the matrix product inside whose rows are sent while others are computed.</summary>
    OverlappedCollective,
    /// <summary>Residual stream to the next stage.</summary>
    Send,
    /// <summary>Residual stream from the stage before.</summary>
    Receive,
}

/// <summary>One span; times are nanoseconds of the machine's monotonic clock.</summary>
public readonly record struct TimelineSpan(int Step, TimelineKind Kind, long StartNs, long EndNs);

/// <summary>A rank's spans, kept in memory that is taken at once; recording ends when it is full. One thread writes.</summary>
internal sealed class StepTimeline(int capacity = StepTimeline.DefaultCapacity)
{
    /// <summary>24 bytes each: 12 MB.</summary>
    public const int DefaultCapacity = 1 << 19;

    private readonly TimelineSpan[] _spans = new TimelineSpan[capacity];
    private int _count;

    /// <summary>The clock of all spans.</summary>
    public static long Now => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    public void Add(int step, TimelineKind kind, long startNs, long endNs)
    {
        int count = _count;
        if (count == _spans.Length)
            return;
        _spans[count] = new TimelineSpan(step, kind, startNs, endNs);
        Volatile.Write(ref _count, count + 1);
    }

    /// <summary>The spans so far, as bytes for a message.</summary>
    public byte[] Export() => MemoryMarshal.AsBytes(_spans.AsSpan(0, Volatile.Read(ref _count))).ToArray();

    /// <summary>Reads what <see cref="Export"/> wrote.</summary>
    /// <exception cref="ClusterException">Not a whole number of spans.</exception>
    public static TimelineSpan[] Import(byte[] bytes)
    {
        int size = Marshal.SizeOf<TimelineSpan>();
        if (bytes.Length % size != 0)
            throw new ClusterException($"timeline: expected whole spans of {size} bytes, got {bytes.Length} bytes");
        return MemoryMarshal.Cast<byte, TimelineSpan>(bytes).ToArray();
    }
}

/// <summary>The timeline of one rank.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Node">Its node's name.</param>
/// <param name="Spans">Its spans, in the leader's time.</param>
public sealed record RankTimeline(int Rank, string Node, TimelineSpan[] Spans);
