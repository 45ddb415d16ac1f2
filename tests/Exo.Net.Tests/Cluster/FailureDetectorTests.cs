using Exo.Net.Cluster;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class FailureDetectorTests
{
    private static readonly TimeSpan Step = FailureDetector.Interval;

    [Fact]
    public void Peer_that_beats_is_never_accused()
    {
        var detector = new FailureDetector(1);
        ulong echo = 1;
        for (var now = TimeSpan.Zero; now < TimeSpan.FromMinutes(1); now += Step)
        {
            detector.Hear(0, echo++, TimeSpan.Zero, now);
            Assert.Null(detector.Tick(now));
        }
        Assert.True(detector.IsUp(0));
    }

    [Fact]
    public void Silent_peer_is_down_after_one_second_and_accused_once()
    {
        var detector = new FailureDetector(2);
        detector.Hear(0, 1, TimeSpan.Zero, TimeSpan.Zero);
        var found = new List<(TimeSpan At, int Peer, Silence Silence)>();
        for (var now = TimeSpan.Zero; now < TimeSpan.FromSeconds(5); now += Step)
        {
            detector.Hear(1, (ulong)now.Ticks + 1, TimeSpan.Zero, now);
            if (detector.Tick(now) is { } down)
                found.Add((now, down.Peer, down.Silence));
        }
        var only = Assert.Single(found);
        Assert.Equal((0, Silence.Unheard), (only.Peer, only.Silence));
        Assert.InRange(only.At, FailureDetector.Limit, FailureDetector.Limit + Step);
        Assert.False(detector.IsUp(0));
    }

    [Fact]
    public void Peer_that_is_heard_but_hears_nothing_is_down()
    {
        var detector = new FailureDetector(1);
        (int Peer, Silence Silence, TimeSpan For)? down = null;
        for (var now = TimeSpan.Zero; down is null && now < TimeSpan.FromSeconds(5); now += Step)
        {
            detector.Hear(0, 1, TimeSpan.Zero, now);
            down = detector.Tick(now);
        }
        Assert.Equal((0, Silence.Deaf, FailureDetector.Limit), down);
    }

    [Fact]
    public void Detector_that_was_away_accuses_nobody_and_probes_first()
    {
        var detector = new FailureDetector(1);
        detector.Hear(0, 1, TimeSpan.Zero, TimeSpan.Zero);
        Assert.Null(detector.Tick(TimeSpan.Zero));
        var back = TimeSpan.FromSeconds(30);
        Assert.Null(detector.Tick(back));
        // The peer beats: nothing has happened.
        detector.Hear(0, 2, TimeSpan.Zero, back + (2 * Step));
        for (int i = 1; i < 15; i++)
            Assert.Null(detector.Tick(back + (i * Step)));
    }

    [Fact]
    public void Peer_that_stays_silent_after_the_detector_was_away_is_down_seconds_later()
    {
        var detector = new FailureDetector(1);
        detector.Hear(0, 1, TimeSpan.Zero, TimeSpan.Zero);
        detector.Tick(TimeSpan.Zero);
        var back = TimeSpan.FromSeconds(30);
        var now = back;
        while (detector.Tick(now) is null)
            now += Step;
        Assert.InRange(now - back, FailureDetector.Limit, FailureDetector.MaxLimit + Step);
    }

    /// <summary>125 ms late: 1 s + 8 x (125 ms - 25 ms).</summary>
    [Theory]
    [InlineData(125, 0, 1800)]
    [InlineData(0, 125, 1800)]
    [InlineData(20, 20, 1000)]
    [InlineData(0, 3000, 4000)]
    public void Ticks_that_are_always_late_here_or_there_make_the_limit_longer(int ownMs, int peersMs, int expectedMs)
    {
        TimeSpan late = Step + TimeSpan.FromMilliseconds(ownMs), limit = LimitAfter(Enumerable.Repeat(late, 200), late, TimeSpan.FromMilliseconds(peersMs));
        Assert.InRange(limit, TimeSpan.FromMilliseconds(expectedMs - 1), TimeSpan.FromMilliseconds(expectedMs));
    }

    [Fact]
    public void A_burst_of_late_ticks_does_not()
    {
        TimeSpan[] burst = [Step, Step + FailureDetector.Lateness, Step, Step + FailureDetector.Lateness];
        Assert.Equal(FailureDetector.Limit, LimitAfter(burst, Step, TimeSpan.Zero));
    }

    /// <summary>For how long a peer must be silent, after ticks at such intervals and while they come at this one.</summary>
    private static TimeSpan LimitAfter(IEnumerable<TimeSpan> intervals, TimeSpan interval, TimeSpan peersLateness)
    {
        var detector = new FailureDetector(1);
        var now = TimeSpan.Zero;
        foreach (var later in intervals)
        {
            detector.Hear(0, (ulong)now.Ticks + 1, peersLateness, now);
            Assert.Null(detector.Tick(now));
            now += later;
        }
        while (true)
        {
            if (detector.Tick(now) is { } down)
                return down.For;
            now += interval;
        }
    }

    [Fact]
    public void Peer_that_was_never_up_is_not_accused()
    {
        var detector = new FailureDetector(1);
        for (var now = TimeSpan.Zero; now < TimeSpan.FromSeconds(10); now += Step)
            Assert.Null(detector.Tick(now));
        Assert.False(detector.IsUp(0));
    }
}
