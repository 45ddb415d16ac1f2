using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Bench.Wire;

/// <summary>`wire`: an all-reduce between two processes over every transport, beside a bare ping-pong and the price of sealing.</summary>
public static class WireCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private sealed record Report(string Machine, int Cores, string Date, int NumBytes, Latencies[] Rows, Check[] Checks);

    private sealed record Check(string Claim, double GotUs, double LimitUs, bool Holds);

    public static Command Create()
    {
        var numBytes = new Option<int>("--bytes") { Description = "bytes of the reduced row", DefaultValueFactory = _ => 8192 };
        var count = new Option<int>("--count") { Description = "operations measured", DefaultValueFactory = _ => 20_000 };
        var rounds = new Option<int>("--rounds") { Description = "each measurement is repeated so often; the median run counts", DefaultValueFactory = _ => 3 };
        var json = new Option<string?>("--json") { Description = "write the figures to this file" };
        WaitPolicy usual = WaitPolicy.For(2, Environment.ProcessorCount);
        var pauses = new Option<int>("--pauses") { Description = "pauses before a wait yields", DefaultValueFactory = _ => usual.Pauses };
        var yields = new Option<int>("--yields") { Description = "yields before a wait sleeps", DefaultValueFactory = _ => usual.Yields };
        var placement = new Option<WirePlacement>("--placement") { Description = "where the processes run", DefaultValueFactory = _ => WirePlacement.Free };
        var command = new Command("wire", "round trips between two processes") { numBytes, count, rounds, json, pauses, yields, placement };
        command.SetAction(result =>
        {
            var job = new WireJob(
                default, result.GetValue(numBytes), WarmUp: 3000, result.GetValue(count), result.GetValue(pauses), result.GetValue(yields),
                result.GetValue(placement));
            Report report = Run(job, result.GetValue(rounds));
            Print(report);
            if (result.GetValue(json) is { } path) File.WriteAllText(path, JsonSerializer.Serialize(report, Indented) + "\n");
            return report.Checks.All(check => check.Holds) ? 0 : 1;
        });
        return command;
    }

    /// <summary>The other process of a measurement; started by `wire`.</summary>
    public static Command CreatePeer()
    {
        var job = new Argument<string>("job");
        var ticket = new Argument<string>("ticket");
        var address = new Argument<string>("address");
        var command = new Command("wire-peer", "the other end of `wire`") { job, ticket, address };
        command.Hidden = true;
        command.SetAction(result => WireWork.Dial(
            JsonSerializer.Deserialize<WireJob>(result.GetRequiredValue(job))!,
            new LinkTicket(Convert.FromHexString(result.GetRequiredValue(ticket))),
            result.GetRequiredValue(address)));
        return command;
    }

    private static Report Run(WireJob job, int rounds)
    {
        int numBytes = job.NumBytes;
        var runs = new Dictionary<string, List<Latencies>>();
        for (int round = 0; round < rounds; round++)
        {
            // Rounds are interleaved, so that a busy minute of the machine hits all alike.
            foreach (WireLink link in Enum.GetValues<WireLink>()) Add(Measure(job with { Link = link }));
            Add(MeasureSeal(numBytes));
        }
        Latencies[] rows = [.. runs.Values.Select(list => list.OrderBy(run => run.P50Us).ElementAt(list.Count / 2))];
        double Of(string part) => rows.First(row => row.Name.Contains(part, StringComparison.Ordinal)).P50Us;
        (double bare, double seal) = (Of("bare"), Of("seal " + numBytes));
        Check[] checks =
        [
            NewCheck("sealed TCP <= bare + 5 x seal", Of("TCP sealed"), bare + (5 * seal)),
            NewCheck("shared memory <= bare / 5", Of("shared memory"), bare / 5),
        ];
        string date = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        return new Report(MachineName(), Environment.ProcessorCount, date, numBytes, rows, checks);

        void Add(Latencies run)
        {
            if (!runs.TryGetValue(run.Name, out List<Latencies>? list)) runs[run.Name] = list = [];
            list.Add(run);
        }
    }

    private static Check NewCheck(string claim, double got, double limit) => new(claim, got, limit, got <= limit);

    private static Latencies Measure(WireJob job)
    {
        LinkTicket ticket = LinkTicket.Create();
        Process? peer = null;
        try
        {
            Latencies latencies = WireWork.Listen(job, ticket, address =>
            {
                string[] arguments = ["wire-peer", JsonSerializer.Serialize(job), Convert.ToHexString(ticket.Bytes), address];
                peer = Process.Start(Environment.ProcessPath!, IsHostedByDotnet ? [typeof(WireCommand).Assembly.Location, .. arguments] : arguments);
            });
            peer!.WaitForExit(TimeSpan.FromSeconds(5));
            return latencies;
        }
        finally
        {
            if (peer is { HasExited: false }) peer.Kill();
            peer?.Dispose();
        }
    }

    private static bool IsHostedByDotnet => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";

    private static Latencies MeasureSeal(int numBytes)
    {
        using LinkCipher cipher = LinkCipher.Derive(new byte[32], new byte[32], new byte[32], LinkRole.Dialer);
        byte[] header = new byte[FrameHeader.Size];
        byte[] payload = new byte[numBytes];
        byte[] body = new byte[numBytes + FrameHeader.SealBytes];
        ulong sequence = 0;
        return Latencies.Measure($"seal {numBytes} bytes", 3000, 20_000, () => cipher.Seal(sequence++, header, payload, body));
    }

    private static string MachineName()
    {
        const string cpuInfo = "/proc/cpuinfo";
        string? model = File.Exists(cpuInfo)
            ? File.ReadLines(cpuInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : null;
        return $"{model ?? RuntimeInformation.ProcessArchitecture.ToString()}, {RuntimeInformation.OSDescription}";
    }

    private static void Print(Report report)
    {
        Console.WriteLine($"{report.Machine}, {report.Cores} cores, {report.Date}; {report.NumBytes} bytes, two processes");
        Console.WriteLine($"{"",-38} {"p50 us",9} {"p99 us",9}");
        foreach (Latencies row in report.Rows) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Name,-38} {row.P50Us,9:F2} {row.P99Us,9:F2}"));
        foreach (Check check in report.Checks)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{check.Claim,-38} {check.GotUs,9:F2} {check.LimitUs,9:F2} {(check.Holds ? "holds" : "MISSED")}"));
    }
}
