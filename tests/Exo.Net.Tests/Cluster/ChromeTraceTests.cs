using System.Text.Json;
using Exo.Net.Cluster;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class ChromeTraceTests
{
    [Fact]
    public void Time_of_a_rank_is_compute_wait_and_wire_and_nothing_else()
    {
        // Rank 1 comes 300 us late to the only meeting, which then takes 100 us.
        var ranks = new RankTimeline[]
        {
            new(0, "a", [Us(TimelineKind.Collective, 200, 600), Us(TimelineKind.Step, 0, 700)]),
            new(1, "b", [Us(TimelineKind.Collective, 500, 600), Us(TimelineKind.Step, 0, 650)]),
        };
        var spans = Write(SplitLayout.Parse("tensor", 2), ranks);
        Assert.Equal(
            ["0 compute 0+200", "0 wait 200+300", "0 wire 500+100",
                "0 compute 600+100", "1 compute 0+500", "1 wire 500+100", "1 compute 600+50"],
            spans);
    }

    [Fact]
    public void Stage_waits_until_the_one_before_begins_to_send()
    {
        var ranks = new RankTimeline[]
        {
            new(0, "a", [Us(TimelineKind.Send, 400, 420), Us(TimelineKind.Step, 0, 420)]),
            new(1, "b", [Us(TimelineKind.Receive, 10, 450), Us(TimelineKind.Step, 10, 800)]),
        };
        var spans = Write(SplitLayout.Parse("pipeline", 2), ranks);
        Assert.Equal(["0 compute 0+400", "0 wire 400+20", "1 wait 10+390", "1 wire 400+50", "1 compute 450+350"], spans);
    }

    [Fact]
    public void Spans_survive_their_message()
    {
        var timeline = new StepTimeline(capacity: 2);
        for (int i = 0; i < 3; i++)
            timeline.Add(i, TimelineKind.Send, i, i + 1);
        var read = StepTimeline.Import(timeline.Export());
        Assert.Equal([new TimelineSpan(0, TimelineKind.Send, 0, 1), new TimelineSpan(1, TimelineKind.Send, 1, 2)], read);
        Assert.Throws<ClusterException>(() => StepTimeline.Import(new byte[25]));
    }

    private static TimelineSpan Us(TimelineKind kind, long start, long end) => new(0, kind, start * 1000, end * 1000);

    private static string[] Write(SplitLayout layout, RankTimeline[] ranks)
    {
        using var stream = new MemoryStream();
        ChromeTrace.Write(stream, layout, ranks);
        using var json = JsonDocument.Parse(stream.ToArray());
        return [.. json.RootElement.GetProperty("traceEvents").EnumerateArray()
            .Where(span => span.GetProperty("ph").GetString() == "X" && span.GetProperty("tid").GetInt32() == 1)
            .Select(span => $"{span.GetProperty("pid")} {span.GetProperty("name")} {span.GetProperty("ts")}+{span.GetProperty("dur")}")];
    }
}
