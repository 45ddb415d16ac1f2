using System.Globalization;
using System.Text.Json;

namespace Exo.Net.Cluster;

/// <summary>
/// Writes the timelines of a plan's ranks as a Chrome trace (chrome://tracing, Perfetto): one process a rank; in each step compute, wait
/// and wire. Where ranks meet, waiting ends when the last of them has come, and what is left of the operation is wire (for an overlapped
/// product also its arithmetic); a stage waits until the one before begins to send.
/// </summary>
public static class ChromeTrace
{
    /// <summary>Writes the trace.</summary>
    public static void Write(Stream stream, SplitLayout layout, IReadOnlyList<RankTimeline> ranks)
    {
        var meetings = Meetings(layout, ranks);
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteStartArray("traceEvents");
        long origin = ranks.SelectMany(rank => rank.Spans).Select(span => span.StartNs).DefaultIfEmpty().Min();
        foreach (var rank in ranks)
        {
            WriteName(json, rank);
            WriteRank(json, layout, rank, meetings, origin);
        }
        json.WriteEndArray();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteEndObject();
    }

    private readonly record struct Meeting(int Step, int Group, TimelineKind Kind, int Ordinal);

    // When the last participant came to each meeting, in nanoseconds of the leader's clock.
    private static Dictionary<Meeting, long> Meetings(SplitLayout layout, IReadOnlyList<RankTimeline> ranks)
    {
        var last = new Dictionary<Meeting, long>();
        foreach (var rank in ranks)
        {
            foreach (var (span, meeting) in WithMeetings(layout, rank))
            {
                if (span.Kind != TimelineKind.Receive)
                    last[meeting] = Math.Max(last.GetValueOrDefault(meeting, long.MinValue), span.StartNs);
            }
        }
        return last;
    }

    private static IEnumerable<(TimelineSpan Span, Meeting Meeting)> WithMeetings(SplitLayout layout, RankTimeline rank)
    {
        int step = -1, collectives = 0, sends = 0, receives = 0;
        int stage = layout.StageOf(rank.Rank), tensorRank = layout.TensorRankOf(rank.Rank);
        foreach (var span in rank.Spans)
        {
            if (span.Step != step)
                (step, collectives, sends, receives) = (span.Step, 0, 0, 0);
            switch (span.Kind)
            {
                case TimelineKind.Collective or TimelineKind.OverlappedCollective:
                    yield return (span, new Meeting(step, stage, TimelineKind.Collective, collectives++));
                    break;
                case TimelineKind.Send:
                    yield return (span, new Meeting(step, layout.RankOf(stage, tensorRank), TimelineKind.Send, sends++));
                    break;
                case TimelineKind.Receive:
                    yield return (span, new Meeting(step, layout.RankOf(stage - 1, tensorRank), TimelineKind.Send, receives++));
                    break;
            }
        }
    }

    private static void WriteRank(
        Utf8JsonWriter json, SplitLayout layout, RankTimeline rank, Dictionary<Meeting, long> meetings, long origin)
    {
        var steps = rank.Spans.Where(span => span.Kind == TimelineKind.Step).ToArray();
        var operations = WithMeetings(layout, rank).ToLookup(operation => operation.Span.Step);
        foreach (var step in steps)
        {
            WriteSpan(json, $"step {step.Step}", rank.Rank, 0, step.StartNs, step.EndNs, origin);
            long computedFrom = step.StartNs;
            foreach (var (span, meeting) in operations[step.Step])
            {
                WriteSpan(json, "compute", rank.Rank, 1, computedFrom, span.StartNs, origin);
                long met = Math.Clamp(meetings.GetValueOrDefault(meeting, span.StartNs), span.StartNs, span.EndNs);
                WriteSpan(json, "wait", rank.Rank, 1, span.StartNs, met, origin);
                WriteSpan(json, span.Kind == TimelineKind.OverlappedCollective ? "wire + matmul" : "wire", rank.Rank, 1, met, span.EndNs,
                    origin);
                computedFrom = span.EndNs;
            }
            WriteSpan(json, "compute", rank.Rank, 1, computedFrom, step.EndNs, origin);
        }
    }

    private static void WriteName(Utf8JsonWriter json, RankTimeline rank)
    {
        json.WriteStartObject();
        json.WriteString("name", "process_name");
        json.WriteString("ph", "M");
        json.WriteNumber("pid", rank.Rank);
        json.WriteStartObject("args");
        json.WriteString("name", string.Create(CultureInfo.InvariantCulture, $"rank {rank.Rank} on {rank.Node}"));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSpan(Utf8JsonWriter json, string name, int rank, int row, long startNs, long endNs, long originNs)
    {
        if (endNs <= startNs)
            return;
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("ph", "X");
        json.WriteNumber("pid", rank);
        json.WriteNumber("tid", row);
        json.WriteNumber("ts", (startNs - originNs) / 1000.0);
        json.WriteNumber("dur", (endNs - startNs) / 1000.0);
        json.WriteEndObject();
    }
}
