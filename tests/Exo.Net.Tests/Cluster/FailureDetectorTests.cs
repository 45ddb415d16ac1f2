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

    /// <summary>125 ms late: 1 s + 8 x (125 ms - 25 ms). Ten seconds later it is forgotten.</summary>
    [Theory]
    [InlineData(125, 0, 0, 1800)]
    [InlineData(0, 125, 0, 1800)]
    [InlineData(20, 20, 0, 1000)]
    [InlineData(0, 3000, 0, 4000)]
    [InlineData(125, 0, 11, 1000)]
    public void Late_ticks_here_or_there_make_the_limit_longer_for_a_while(int ownMs, int peersMs, int secondsSince, int expectedMs)
    {
        var detector = new FailureDetector(1);
        var now = TimeSpan.Zero;
        Tick(Step + TimeSpan.FromMilliseconds(ownMs));
        for (int i = 0; i < secondsSince * 20; i++)
            Tick(Step);
        var silentSince = now;
        (int Peer, Silence Silence, TimeSpan For)? down;
        do
        {
            now += Step;
            down = detector.Tick(now);
        }
        while (down is null);
        Assert.Equal((0, Silence.Unheard, TimeSpan.FromMilliseconds(expectedMs)), down);
        Assert.InRange(now - silentSince, TimeSpan.FromMilliseconds(expectedMs), TimeSpan.FromMilliseconds(expectedMs) + Step);

        void Tick(TimeSpan later)
        {
            Assert.Null(detector.Tick(now));
            now += later;
            detector.Hear(0, (ulong)now.Ticks, TimeSpan.FromMilliseconds(peersMs), now);
            Assert.Null(detector.Tick(now));
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
