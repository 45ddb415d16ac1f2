using System.CommandLine;
using Exo.Model;
using Exo.WeightsTools.Running;

namespace Exo.WeightsTools.Commands;

/// <summary>`exo-weights compare A B --input IN.safetensors`: how far two models' answers to the same ids lie apart.</summary>
internal static class CompareCommand
{
    private const int ChunkRows = 128;

    public static Command Create()
    {
        var first = new Argument<string>("A") { Description = "The model that is the measure." };
        var second = new Argument<string>("B") { Description = "The model that is measured." };
        var input = new Option<string>("--input") { Description = "A safetensors file with input_ids.", Required = true };
        var dequantize = new Option<string>("--dequantize")
        {
            Description = "Which of them computes with weights dequantized exactly, float32 activations and cache.",
            DefaultValueFactory = _ => "none",
        };
        dequantize.AcceptOnlyFromAmong("none", "a", "b", "both");
        var command = new Command("compare", "Compares two models' logits.") { first, second, input, dequantize };
        command.SetBody(arguments =>
        {
            string exact = arguments.GetRequiredValue(dequantize);
            Run(
                ModelLocator.Find(arguments.GetRequiredValue(first)), exact is "a" or "both" ? Arithmetic.Exact : Arithmetic.Fast,
                ModelLocator.Find(arguments.GetRequiredValue(second)), exact is "b" or "both" ? Arithmetic.Exact : Arithmetic.Fast,
                InputIds.Read(arguments.GetRequiredValue(input)));
        });
        return command;
    }

    private static void Run(string firstFolder, Arithmetic firstArithmetic, string secondFolder, Arithmetic secondArithmetic, int[] ids)
    {
        using LogitsRun first = LogitsRun.Load(firstFolder, firstArithmetic, ids.Length);
        using LogitsRun second = LogitsRun.Load(secondFolder, secondArithmetic, ids.Length);
        if (first.VocabSize != second.VocabSize)
            throw new WeightsToolException($"{secondFolder}: expected a vocabulary of {first.VocabSize}, got {second.VocabSize}");
        var comparison = new LogitsComparison();
        Terminal.Progress("comparing", ids.Length, report =>
        {
            for (int start = 0; start < ids.Length; start += ChunkRows)
            {
                Span<int> chunk = ids.AsSpan(start, Math.Min(ChunkRows, ids.Length - start));
                IReadOnlyList<float[]> a = first.Next(chunk), b = second.Next(chunk);
                for (int row = 0; row < chunk.Length; row++) comparison.Add(a[row], b[row]);
                report(chunk.Length);
            }
        });
        Console.WriteLine($"positions                       {comparison.NumRows}");
        Console.WriteLine($"largest difference              {comparison.LargestDifference:g6} ({comparison.LargestDifference / comparison.Deviation:g3} of A's standard deviation)");
        Console.WriteLine($"KL(A || B), mean                {comparison.MeanDivergence:g6}");
        Console.WriteLine($"KL(A || B), largest             {comparison.LargestDivergence:g6}");
        Console.WriteLine($"highest logit the same          {comparison.Agreement:p2}");
    }
}
