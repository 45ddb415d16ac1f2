using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Kernels;
using Spectre.Console;

namespace Exo.Host.Bench;

/// <summary>Prints rows: for people a table, for programs an array of rows that each say all about their circumstances.</summary>
internal sealed class BenchReport(BenchModel model, MachineDescription machine)
{
    private static readonly JsonSerializerOptions _indented = new() { WriteIndented = true };

    private static string Version => typeof(BenchReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>The table, its circumstances above, what to know of it below.</summary>
    public void WriteTable(TextWriter output, IReadOnlyList<BenchRow> rows)
    {
        output.WriteLine($"{machine.Cpu}: {string.Join(' ', machine.Features)}{Beyond()}");
        output.WriteLine($"{ModelName}: {model.WeightFormat}; activations {model.Arithmetic.Activations}, KV {model.Arithmetic.KvType}; loaded in {model.LoadSeconds:F2} s");
        output.WriteLine($"{model.Cpu.Isa}, {model.Cpu.NumThreads} threads; medians of {rows[0].Samples.Count} rounds");
        var table = new Table().Border(TableBorder.Markdown);
        table.AddColumn("test");
        foreach (string column in new[] { "tokens/s", "GB/s", "of limit", "GFLOP/s", "of limit", "MB/step", "heap B/token" })
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (BenchRow row in rows)
        {
            int steps = row.Test.Kind == BenchKind.Prompt ? 1 : row.Test.NumTokens;
            table.AddRow(
                row.Test.ToString(), $"{row.TokensPerSecond:F1}", $"{row.BytesPerSecond / 1e9:F1}", $"{row.ShareOfBandwidth:P0}",
                $"{row.FlopsPerSecond / 1e9:F1}", $"{row.ShareOfArithmetic:P0}", $"{row.Bytes / steps / 1e6:F1}", $"{row.AllocatedBytes / (double)row.NumTokens:F1}");
        }
        Write(output, table);
        output.WriteLine($"limits, medians: {LimitBytes(rows) / 1e9:F1} GB/s, {LimitFlops(rows) / 1e9:F1} GFLOP/s (float32 FMA; integer products may exceed it)");
        foreach (string note in Notes(rows)) output.WriteLine($"note: {note}");
    }

    /// <summary>The rows as JSON.</summary>
    public void WriteJson(TextWriter output, IReadOnlyList<BenchRow> rows) =>
        output.WriteLine(new JsonArray([.. rows.Select(row => (JsonNode)ToJson(row, Notes(rows)))]).ToJsonString(_indented));

    /// <summary>Where a test's time goes, the costliest operation first.</summary>
    public void WriteProfile(TextWriter output, BenchTest test, IReadOnlyDictionary<OperationKey, OperationTotals> operations, double seconds, int numTokens)
    {
        var table = new Table().Border(TableBorder.Markdown);
        table.AddColumn($"{test} profile");
        foreach (string column in new[] { "calls", "us/token", "share", "GB/s", "GFLOP/s" }) table.AddColumn(new TableColumn(column).RightAligned());
        foreach ((OperationKey key, OperationTotals totals) in operations.OrderByDescending(pair => pair.Value.Seconds))
            Row(key.Rows > 0 ? $"{key.Name} {key.Rows}x{key.Columns}" : key.Name, totals);
        double inside = operations.Values.Sum(totals => totals.Seconds);
        Row("outside the device (sampler, host)", new OperationTotals(1, seconds - inside, 0, 0, 0));
        Write(output, table);

        void Row(string name, OperationTotals totals) => table.AddRow(
            name, $"{totals.Calls}", $"{totals.Seconds / numTokens * 1e6:F1}", $"{totals.Seconds / seconds:P1}",
            $"{(totals.WeightBytes + totals.KvBytes) / totals.Seconds / 1e9:F1}", $"{totals.WeightFlops / totals.Seconds / 1e9:F1}");
    }

    private string ModelName => Path.GetFileName(Path.TrimEndingDirectorySeparator(model.Folder));

    private static double LimitBytes(IReadOnlyList<BenchRow> rows) => BenchRow.Median(rows.SelectMany(row => row.Samples).Select(sample => sample.LimitBytesPerSecond));

    private static double LimitFlops(IReadOnlyList<BenchRow> rows) => BenchRow.Median(rows.SelectMany(row => row.Samples).Select(sample => sample.LimitFlopsPerSecond));

    private static void Write(TextWriter output, Table table)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        console.Profile.Width = 140;
        console.Write(table);
    }

    private string Beyond() => machine.UnusedFeatures.Count == 0 ? "" : $" (the processor has {string.Join(' ', machine.UnusedFeatures)}, which this runtime does not expose)";

    /// <summary>What a reader must know so as not to be misled.</summary>
    private IEnumerable<string> Notes(IReadOnlyList<BenchRow> rows)
    {
        BenchRow? smallest = rows.Where(row => row.Test.Kind == BenchKind.Generation).MinBy(row => row.Bytes / row.Test.NumTokens);
        if (smallest is not null)
        {
            double bytes = smallest.Bytes / smallest.Test.NumTokens;
            if (bytes <= machine.CacheBytes)
                yield return $"a step reads {bytes / 1e6:F0} MB, the last-level cache has {machine.CacheBytes / 1e6:F0} MB: decode may exceed the memory's limit";
            else if (bytes <= 4 * machine.CacheBytes)
                yield return $"a step reads {bytes / 1e6:F0} MB, only {bytes / machine.CacheBytes:F1} times the last-level cache: part of it may be read from there";
        }
        if (machine.CacheBytes == 0) yield return "the size of the last-level cache is not known here";
        if (rows[0].Samples.Count < 7) yield return $"{rows[0].Samples.Count} rounds: shares of the limit want at least 7";
    }

    private JsonObject ToJson(BenchRow row, IEnumerable<string> notes) => new()
    {
        ["test"] = row.Test.ToString(),
        ["tokensPerSecond"] = row.TokensPerSecond,
        ["shareOfLimit"] = row.ShareOfLimit,
        ["limit"] = row.IsBoundByMemory ? "bandwidth" : "arithmetic",
        ["shareOfBandwidth"] = row.ShareOfBandwidth,
        ["shareOfArithmetic"] = row.ShareOfArithmetic,
        ["gigabytesPerSecond"] = row.BytesPerSecond / 1e9,
        ["gigaflopsPerSecond"] = row.FlopsPerSecond / 1e9,
        ["bytes"] = row.Bytes,
        ["flops"] = row.Flops,
        ["allocatedBytesPerToken"] = row.AllocatedBytes / (double)row.NumTokens,
        ["samples"] = new JsonArray([.. row.Samples.Select(sample => (JsonNode)new JsonObject
        {
            ["tokensPerSecond"] = row.NumTokens / sample.Seconds,
            ["limitGigabytesPerSecond"] = sample.LimitBytesPerSecond / 1e9,
            ["limitGigaflopsPerSecond"] = sample.LimitFlopsPerSecond / 1e9,
        })]),
        ["model"] = ModelName,
        ["weightFormat"] = model.WeightFormat,
        ["activations"] = model.Arithmetic.Activations.ToString(),
        ["kvType"] = model.Arithmetic.KvType.ToString(),
        ["threads"] = model.Cpu.NumThreads,
        ["instructionSet"] = model.Cpu.Isa.ToString(),
        ["loadSeconds"] = model.LoadSeconds,
        ["cpu"] = machine.Cpu,
        ["cpuFeatures"] = new JsonArray([.. machine.Features.Select(feature => (JsonNode)feature)]),
        ["cpuFeaturesNotExposed"] = new JsonArray([.. machine.UnusedFeatures.Select(feature => (JsonNode)feature)]),
        ["lastLevelCacheBytes"] = machine.CacheBytes,
        ["version"] = Version,
        ["notes"] = new JsonArray([.. notes.Select(note => (JsonNode)note)]),
    };
}
