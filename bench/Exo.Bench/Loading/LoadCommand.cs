using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Exo.Kernels;
using Exo.Model.Weights;

namespace Exo.Bench.Loading;

/// <summary>
/// `load MODEL`: how long a model's weights take to load and how much memory that needs, beside a copy of the same bytes or beside
/// reading the files, alternating in one process.
/// </summary>
internal static class LoadCommand
{
    private const int NumReaders = 2;
    private const double WarmLimit = 1.3, ColdLimit = 1.2, PeakLimit = 1.15;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private sealed record Row(string Test, double LoadSeconds, double OtherSeconds, double Ratio, double Limit, double[] Ratios);

    private sealed record Report(
        string Model, string Device, string Date, long FileBytes, long WeightBytes, long KvBytes, long PeakBytes, double PeakRatio, double PeakLimit, Row[] Rows);

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "a model folder" };
        var cold = new Option<bool>("--cold") { Description = "also with the files dropped from the system's cache before each load" };
        var rounds = new Option<int>("--rounds") { Description = "pairs of measurements; their median counts", DefaultValueFactory = _ => 5 };
        var threads = new Option<int>("--threads") { Description = "threads that load and copy", DefaultValueFactory = _ => Environment.ProcessorCount };
        var json = new Option<string?>("--json") { Description = "write the figures to this file" };
        var command = new Command("load", "loading a model beside a copy of the same bytes, or beside reading its files") { model, cold, rounds, threads, json };
        command.SetAction(result =>
        {
            Report report = Run(result.GetRequiredValue(model), result.GetValue(cold), result.GetValue(rounds), result.GetValue(threads));
            Print(report);
            if (result.GetValue(json) is { } path) File.WriteAllText(path, JsonSerializer.Serialize(report, Indented) + "\n");
            return report.Rows.All(row => row.Ratio <= row.Limit) && report.PeakRatio <= report.PeakLimit ? 0 : 1;
        });
        return command;
    }

    private static Report Run(string folder, bool withCold, int numRounds, int numThreads)
    {
        var files = new PageCache(WeightFiles(folder));
        files.Drop();
        files.Read(NumReaders); // warm: as a plain read leaves the files in the cache
        var loads = new List<ModelLoad> { ModelLoad.Measure(folder, numThreads) }; // compiles the code that loads
        Row[] rows = [Pairs("warm", WarmLimit, WarmPair), .. withCold ? [Pairs("cold", ColdLimit, ColdPair)] : Array.Empty<Row>()];
        ModelLoad worst = loads.MaxBy(load => load.PeakBytes)!;
        using var device = new CpuDevice(numThreads, IsaSupport.Best);
        return new Report(
            Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), device.Name, DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            files.Bytes, worst.WeightBytes, worst.KvBytes, worst.PeakBytes, (double)worst.PeakBytes / (worst.WeightBytes + worst.KvBytes), PeakLimit, rows);

        Row Pairs(string test, double limit, Func<(double Load, double Other)> measure)
        {
            (double Load, double Other)[] pairs = [.. Enumerable.Range(0, numRounds).Select(_ => measure())];
            double[] ratios = [.. pairs.Select(pair => pair.Load / pair.Other)];
            return new Row(test, Median(pairs.Select(pair => pair.Load)), Median(pairs.Select(pair => pair.Other)), Median(ratios), limit, ratios);
        }

        (double Load, double Other) WarmPair()
        {
            double copy = ModelLoad.MeasureCopy(folder, numThreads);
            return (Load(), copy);
        }

        (double Load, double Other) ColdPair()
        {
            files.Drop();
            double read = files.Read(NumReaders);
            files.Drop();
            return (Load(), read);
        }

        double Load()
        {
            loads.Add(ModelLoad.Measure(folder, numThreads));
            return loads[^1].Seconds;
        }
    }

    private static List<string> WeightFiles(string folder)
    {
        using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
        return [.. checkpoint.Shards.Select(shard => shard.Path)];
    }

    private static void Print(Report report)
    {
        Console.WriteLine($"{report.Model}: {report.FileBytes / 1e6:F0} MB in files, {report.WeightBytes / 1e6:F0} MB packed, {report.Device}");
        foreach (Row row in report.Rows)
        {
            string other = row.Test == "warm" ? "first touch and copy" : $"reading by {NumReaders} threads";
            Console.WriteLine(
                $"{row.Test}: load {row.LoadSeconds:F3} s ({report.FileBytes / row.LoadSeconds / 1e9:F2} GB/s), {other} {row.OtherSeconds:F3} s "
                + $"({report.FileBytes / row.OtherSeconds / 1e9:F2} GB/s): {row.Ratio:F2}x, limit {row.Limit:F2}x  [{string.Join(" ", row.Ratios.Select(ratio => ratio.ToString("F2", CultureInfo.InvariantCulture)))}]");
        }
        Console.WriteLine(
            $"peak: {report.PeakBytes / 1e6:F0} MB resident, weights and cache {(report.WeightBytes + report.KvBytes) / 1e6:F0} MB: {report.PeakRatio:F2}x, limit {report.PeakLimit:F2}x");
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
