using System.CommandLine;
using Exo.Model;
using Exo.WeightsTools.Export;

namespace Exo.WeightsTools.Commands;

/// <summary>`exo-weights export-gguf MODEL FILE`: a GGUF file for llama.cpp.</summary>
internal static class ExportGgufCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A folder, or the name of a bundled model." };
        var file = new Argument<string>("FILE") { Description = "The GGUF file to make." };
        var command = new Command("export-gguf", "Makes a GGUF file with the same values.") { model, file };
        command.SetBody(arguments =>
        {
            string path = arguments.GetRequiredValue(file);
            IReadOnlyList<string> notes = GgufExporter.Export(
                ModelLocator.Find(arguments.GetRequiredValue(model)), path, (total, work) => Terminal.Progress(Path.GetFileName(path), total, work));
            foreach (string note in notes) Terminal.Say(note);
            Terminal.Say($"{path}: {(notes.Count == 0 ? "every tensor in a type that holds it" : $"{notes.Count} tensors became F32")}, every value the same");
        });
        return command;
    }
}
