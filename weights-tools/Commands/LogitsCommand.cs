using System.CommandLine;
using System.Runtime.InteropServices;
using Exo.Model;
using Exo.Model.Parallel;
using Exo.Model.Weights;
using Exo.Net.Cluster;
using Exo.WeightsTools.Running;

namespace Exo.WeightsTools.Commands;

/// <summary>
/// `exo-weights logits MODEL --input IN.safetensors --output OUT.safetensors`: reads input_ids, writes `logits` [T, vocabulary] F32 of
/// every position, and with --greedy N `greedy_ids` [N] I64 that continue the input (no end token stops them).
/// </summary>
internal static class LogitsCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A folder, or the name of a bundled model." };
        var input = new Option<string>("--input") { Description = "A safetensors file with input_ids.", Required = true };
        var output = new Option<string>("--output") { Description = "The safetensors file to make.", Required = true };
        var dequantize = new Option<bool>("--dequantize") { Description = "Weights dequantized exactly, float32 activations and cache." };
        var chunk = new Option<int>("--chunk") { Description = "Ids a step.", DefaultValueFactory = _ => 128 };
        var greedy = new Option<int>("--greedy") { Description = "Ids to continue with." };
        var ranks = new Option<string>("--ranks") { Description = "Tensor ranks: a number, or ratios as in 3:1.", DefaultValueFactory = _ => "1" };
        var stages = new Option<string>("--stages") { Description = "Pipeline stages: a number, or ratios as in 2:1.", DefaultValueFactory = _ => "1" };
        var experts = new Option<ExpertSplit>("--experts") { Description = "Whether ranks split every expert's leaves, or the experts." };
        var command = new Command("logits", "Writes a model's logits.") { model, input, output, dequantize, chunk, greedy, ranks, stages, experts };
        command.SetBody(arguments =>
        {
            int[] ids = InputIds.Read(arguments.GetRequiredValue(input));
            int numGreedy = Demand("--greedy", arguments.GetValue(greedy), 0);
            string folder = ModelLocator.Find(arguments.GetRequiredValue(model));
            Arithmetic arithmetic = arguments.GetValue(dequantize) ? Arithmetic.Exact : Arithmetic.Fast;
            int length = checked(ids.Length + numGreedy);
            var layout = new SplitLayout(Ratios("--ranks", arguments.GetValue(ranks)!), Ratios("--stages", arguments.GetValue(stages)!));
            using LogitsRun run = layout.WorldSize == 1
                ? LogitsRun.Load(folder, arithmetic, length)
                : LogitsRun.LoadSplit(folder, layout, arguments.GetValue(experts), arithmetic, length);
            Write(run, ids, Demand("--chunk", arguments.GetValue(chunk), 1), numGreedy, arguments.GetRequiredValue(output));
        });
        return command;
    }

    private static void Write(LogitsRun run, int[] ids, int chunk, int numGreedy, string output)
    {
        List<TensorSpec> specs = [new("logits", SafetensorsDtype.F32, [ids.Length, run.VocabSize])];
        if (numGreedy > 0) specs.Add(new("greedy_ids", SafetensorsDtype.I64, [numGreedy]));
        File.Delete(output);
        using var writer = new SafetensorsWriter(output, specs);
        int next = 0;
        Terminal.Progress("logits", ids.Length + numGreedy, report =>
        {
            for (int start = 0; start < ids.Length; start += chunk)
            {
                int count = Math.Min(chunk, ids.Length - start);
                IReadOnlyList<float[]> logits = run.Next(ids.AsSpan(start, count));
                foreach (float[] row in logits) writer.Append("logits", MemoryMarshal.AsBytes(row.AsSpan()));
                next = LogitsRun.ArgMax(logits[^1]);
                report(count);
            }
            for (int i = 0; i < numGreedy; i++)
            {
                writer.Append("greedy_ids", BitConverter.GetBytes((long)next));
                if (i + 1 < numGreedy) next = LogitsRun.ArgMax(run.Next([next])[0]);
                report(1);
            }
        });
        writer.Finish();
    }

    /// <summary>"3" is three equal parts, "3:1" two unequal ones.</summary>
    private static int[] Ratios(string option, string text)
    {
        string[] parts = text.Split(':');
        var ratios = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
            if (!int.TryParse(parts[i], out ratios[i]) || ratios[i] is < 1 or > 1_000_000)
                throw new WeightsToolException($"{option} {text}: expected a number, or ratios as in 3:1");
        if (parts.Length > 1) return ratios;
        return ratios[0] <= SplitLayout.MaxRanks ? [.. Enumerable.Repeat(1, ratios[0])] : throw new WeightsToolException($"{option} {text}: too many");
    }

    private static int Demand(string option, int value, int min) =>
        value >= min ? value : throw new WeightsToolException($"{option}: expected at least {min}, got {value}");
}
