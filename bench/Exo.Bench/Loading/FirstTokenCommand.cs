using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Exo.Bench.Loading;

/// <summary>`first-token EXO`: from starting `exo run` to the first byte of its answer, everything warm in the system's cache.</summary>
internal static class FirstTokenCommand
{
    private const double LimitSeconds = 1;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private sealed record Report(string Date, int Cores, string[] Arguments, double MedianSeconds, double LimitSeconds, double[] Seconds);

    public static Command Create()
    {
        var exo = new Argument<string>("exo") { Description = "exo.dll, or the program itself" };
        var model = new Option<string?>("--model") { Description = "a model's folder or name; by default exo's own" };
        var rounds = new Option<int>("--rounds") { Description = "starts; their median counts", DefaultValueFactory = _ => 7 };
        var json = new Option<string?>("--json") { Description = "write the figures to this file" };
        var command = new Command("first-token", "from starting `exo run` to the first byte of its answer") { exo, model, rounds, json };
        command.SetAction(async (result, cancellation) =>
        {
            string[] arguments = ["run", .. result.GetValue(model) is { } name ? ["--model", name] : Array.Empty<string>(), "--temperature", "0", "--max-tokens", "1", "What is the capital of France?"];
            await MeasureAsync(result.GetRequiredValue(exo), arguments, cancellation); // fills the system's cache
            double[] seconds = new double[result.GetValue(rounds)];
            for (int i = 0; i < seconds.Length; i++) seconds[i] = await MeasureAsync(result.GetRequiredValue(exo), arguments, cancellation);
            double median = seconds.Order().ElementAt(seconds.Length / 2);
            Console.WriteLine(
                $"first byte after {median:F3} s, limit {LimitSeconds:F1} s  [{string.Join(" ", seconds.Select(one => one.ToString("F3", CultureInfo.InvariantCulture)))}]");
            string date = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
            var report = new Report(date, Environment.ProcessorCount, arguments, median, LimitSeconds, seconds);
            if (result.GetValue(json) is { } path) await File.WriteAllTextAsync(path, JsonSerializer.Serialize(report, Indented) + "\n", cancellation);
            return median <= LimitSeconds ? 0 : 1;
        });
        return command;
    }

    private static async Task<double> MeasureAsync(string exo, string[] arguments, CancellationToken cancellation)
    {
        bool isLibrary = exo.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
        string[] all = isLibrary ? [Path.GetFullPath(exo), .. arguments] : arguments;
        var start = new ProcessStartInfo(isLibrary ? "dotnet" : Path.GetFullPath(exo), all) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        long begin = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(limit.Token);
            byte[] answer = new byte[256];
            int count = await process.StandardOutput.BaseStream.ReadAsync(answer, limit.Token);
            double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            await process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, limit.Token);
            await process.WaitForExitAsync(limit.Token);
            if (count == 0 || process.ExitCode != 0) throw new InvalidOperationException($"{exo} ended with {process.ExitCode}: {await errors}");
            return seconds;
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
