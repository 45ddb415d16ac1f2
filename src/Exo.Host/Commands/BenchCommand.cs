using System.CommandLine;
using Exo.Host.Bench;
using Exo.Kernels;
using Exo.Model;

namespace Exo.Host.Commands;

/// <summary>`exo bench [MODEL]`: tokens per second, and how near to the machine's limit they are.</summary>
internal static class BenchCommand
{
    private const string DefaultTests = "pp512,tg128,tg32@d1024,tg32x8";

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "A model folder, or the name of a bundled or cached model.", DefaultValueFactory = _ => ModelLocator.DefaultModel };
        var tests = new Option<string>("--tests")
        {
            Description = "ppN: a prompt of N tokens; tgN: N tokens one by one; @dD: behind D positions; xB: B sequences side by side.",
            DefaultValueFactory = _ => DefaultTests,
        };
        var repetitions = new Option<int>("--repetitions", "-r") { Description = "Rounds; medians are printed.", DefaultValueFactory = _ => 7 };
        repetitions.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && value is < 1 or > 1000)
                result.AddError($"--repetitions: expected 1 to 1000, got {value}");
        });
        var threads = new Option<int?>("--threads") { Description = "Compute threads; by default one per core." };
        var isa = new Option<Isa?>("--isa") { Description = "Instruction set; by default the best of this machine." };
        var dequantize = new Option<bool>("--dequantize") { Description = "Compute in float32 throughout." };
        var json = new Option<bool>("--json") { Description = "Rows as JSON on standard output." };
        var profile = new Option<bool>("--profile") { Description = "Where the time goes, operation by operation, on standard error." };
        var command = new Command("bench", "Measures a model's speed beside the machine's limits.") { model, tests, repetitions, threads, isa, dequantize, json, profile };
        command.SetAction((arguments, cancellation) =>
        {
            IReadOnlyList<BenchTest> wanted = BenchTest.ParseList(arguments.GetValue(tests)!);
            string folder = ModelLocator.Find(arguments.GetValue(model)!);
            var cpu = new CpuDevice(arguments.GetValue(threads) ?? Environment.ProcessorCount, arguments.GetValue(isa) ?? IsaSupport.Best);
            using var bench = new BenchModel(cpu, folder, arguments.GetValue(dequantize) ? Arithmetic.Exact : Arithmetic.Fast, wanted);
            using var run = new BenchRun(bench, wanted);
            var report = new BenchReport(bench, MachineDescription.Current);
            IReadOnlyList<BenchRow> rows = run.Measure(arguments.GetValue(repetitions), cancellation);
            if (arguments.GetValue(json)) report.WriteJson(Console.Out, rows);
            else report.WriteTable(Console.Out, rows);
            if (arguments.GetValue(profile))
            {
                foreach (BenchTest test in wanted)
                {
                    (IReadOnlyDictionary<OperationKey, OperationTotals> operations, double seconds, int numTokens) = run.Profile(test);
                    report.WriteProfile(Console.Error, test, operations, seconds, numTokens);
                }
            }
            return Task.FromResult(0);
        });
        return command;
    }
}
