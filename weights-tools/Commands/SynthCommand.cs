using System.CommandLine;
using Exo.WeightsTools.Synth;

namespace Exo.WeightsTools.Commands;

/// <summary>`exo-weights synth --shape SHAPE --format FORMAT --output DIR`: a random model.</summary>
internal static class SynthCommand
{
    public static Command Create()
    {
        var shape = new Option<string>("--shape") { Description = "The model's shape.", Required = true };
        shape.AcceptOnlyFromAmong([.. SynthShapes.Names]);
        var format = new Option<string>("--format") { Description = "How matrices are stored; q8 and q4 in groups of 32, symmetric.", Required = true };
        format.AcceptOnlyFromAmong("bf16", "q8", "q4");
        var output = new Option<string>("--output") { Description = "The folder to make.", Required = true };
        var seed = new Option<ulong>("--seed") { Description = "The same seed gives the same model." };
        var command = new Command("synth", "Makes a random model for benches.") { shape, format, output, seed };
        command.SetBody(arguments => SynthModel.Write(
            SynthShapes.Get(arguments.GetRequiredValue(shape)),
            Enum.Parse<SynthFormat>(arguments.GetRequiredValue(format), ignoreCase: true),
            arguments.GetValue(seed),
            arguments.GetRequiredValue(output),
            (total, work) => Terminal.Progress(arguments.GetRequiredValue(shape), total, work)));
        return command;
    }
}
