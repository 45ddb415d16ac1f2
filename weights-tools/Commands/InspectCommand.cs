using System.CommandLine;
using Exo.Model;
using Exo.Model.Weights;
using Spectre.Console;

namespace Exo.WeightsTools.Commands;

/// <summary>`exo-weights inspect MODEL`: a table of tensors, their types, shapes and shards, and totals.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A folder, or the name of a bundled model." };
        var command = new Command("inspect", "Shows a checkpoint's tensors.") { model };
        command.SetBody(arguments => Run(ModelLocator.Find(arguments.GetRequiredValue(model))));
        return command;
    }

    private static void Run(string folder)
    {
        using var model = SafetensorsModel.Open(folder);
        var table = new Table().Border(TableBorder.Simple);
        table.AddColumns("tensor", "type", "shape");
        table.AddColumn(new TableColumn("bytes").RightAligned());
        table.AddColumn("file");
        foreach (TensorView tensor in model.Tensors)
        {
            table.AddRow(
                Markup.Escape(tensor.Name), tensor.Dtype.ToString(), Markup.Escape(tensor.ShapeText), Sizes.Count(tensor.ByteLength),
                Markup.Escape(Path.GetFileName(tensor.FileName)));
        }
        IAnsiConsole console = Console.IsOutputRedirected ? Wide() : AnsiConsole.Console;
        console.Write(table);
        foreach (IGrouping<SafetensorsDtype, TensorView> type in model.Tensors.GroupBy(t => t.Dtype).OrderByDescending(g => g.Sum(t => t.ByteLength)))
            Console.WriteLine($"{type.Key,-8} {type.Count(),6} tensors  {Sizes.Count(type.Sum(t => t.NumElements)),16} elements  {Sizes.Bytes(type.Sum(t => t.ByteLength))}");
        Console.WriteLine(
            $"{"total",-8} {model.Tensors.Count(),6} tensors in {model.Shards.Count} files, {Sizes.Bytes(model.Tensors.Sum(t => t.ByteLength))}");
    }

    // Into a file or pipe: no line is cut or wrapped.
    private static IAnsiConsole Wide()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(Console.Out) });
        console.Profile.Width = 1000;
        return console;
    }
}
