using System.CommandLine;
using Exo.Model.Weights;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Commands;

/// <summary>`exo-weights import-gguf FILE OUTPUT`: a checkpoint folder from a GGUF file.</summary>
internal static class ImportGgufCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The GGUF file." };
        var output = new Argument<string>("OUTPUT") { Description = "The folder to make." };
        var format = new Option<string>("--format")
        {
            Description = "keep: blocks become affine groups with the same values. f32, bf16: everything becomes that.",
            DefaultValueFactory = _ => "keep",
        };
        format.AcceptOnlyFromAmong("keep", "f32", "bf16");
        var inexact = new Option<string>("--inexact")
        {
            Description = "With keep: what blocks become that no affine group equals (f32 is exact, bf16 half as large).",
            DefaultValueFactory = _ => "f32",
        };
        inexact.AcceptOnlyFromAmong("f32", "bf16");
        var shard = new Option<int>("--shard-mb") { Description = "Largest shard in MB.", DefaultValueFactory = _ => 4000 };
        var command = new Command("import-gguf", "Makes a checkpoint from a GGUF file.") { file, output, format, inexact, shard };
        command.SetBody(arguments => Run(
            arguments.GetRequiredValue(file),
            arguments.GetRequiredValue(output),
            new ImportOptions
            {
                Format = Enum.Parse<ImportFormat>(arguments.GetRequiredValue(format), ignoreCase: true),
                Inexact = Enum.Parse<SafetensorsDtype>(arguments.GetRequiredValue(inexact), ignoreCase: true),
                MaxShardBytes = Math.Max(arguments.GetRequiredValue(shard), 1) * 1_000_000L,
            }));
        return command;
    }

    private static void Run(string file, string output, ImportOptions options)
    {
        GgufImporter.Report report = GgufImporter.Import(
            file, output, options, (total, work) => Terminal.Progress(Path.GetFileName(file), total, work));
        Terminal.Say($"{output}: {report.Tensors} tensors, {report.AffineTensors} of them affine with the values of their blocks");
        foreach (string line in report.Inexact) Terminal.Say(line);
    }
}
