using System.CommandLine;
using System.Runtime.InteropServices;
using Exo.Model;
using Exo.Model.Weights;
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
        var command = new Command("logits", "Writes a model's logits.") { model, input, output, dequantize, chunk, greedy };
        command.SetBody(arguments =>
        {
            int[] ids = InputIds.Read(arguments.GetRequiredValue(input));
            int numGreedy = Demand("--greedy", arguments.GetValue(greedy), 0);
            using LogitsRun run = LogitsRun.Load(
                ModelLocator.Find(arguments.GetRequiredValue(model)),
                arguments.GetValue(dequantize) ? Arithmetic.Exact : Arithmetic.Fast,
                checked(ids.Length + numGreedy));
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

    private static int Demand(string option, int value, int min) =>
        value >= min ? value : throw new WeightsToolException($"{option}: expected at least {min}, got {value}");
}
