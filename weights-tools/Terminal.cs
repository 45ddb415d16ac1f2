using System.CommandLine;
using System.Text.Json;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Text;
using Spectre.Console;

namespace Exo.WeightsTools;

/// <summary>Where the commands talk: results on standard output, everything else on standard error.</summary>
internal static class Terminal
{
    public static IAnsiConsole Error { get; } =
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    /// <summary>Runs a command's body; trouble with files or requests becomes one line and exit status 1.</summary>
    public static void SetBody(this Command command, Action<ParseResult> body) => command.SetAction(arguments =>
    {
        try
        {
            body(arguments);
            return 0;
        }
        catch (Exception e) when (IsExpected(e))
        {
            Console.Error.WriteLine($"error: {e.Message}");
            return 1;
        }
    });

    // Trouble that a person can mend; anything else is a bug and keeps its stack trace.
    private static bool IsExpected(Exception e) =>
        e is IOException or UnauthorizedAccessException or JsonException or WeightsToolException or ModelException
            or TokenizerException or ChatTemplateException or NonFiniteException;

    /// <summary>A line on standard error.</summary>
    public static void Say(string line) => Console.Error.WriteLine(line);

    /// <summary>A progress bar over `total` bytes while `work` runs; it is given how to add to it.</summary>
    public static void Progress(string label, long total, Action<Action<long>> work)
    {
        if (!Error.Profile.Capabilities.Interactive)
        {
            work(_ => { });
            return;
        }
        Error.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(label), maxValue: Math.Max(total, 1));
                work(bytes => task.Increment(bytes));
                task.Value = task.MaxValue;
            });
    }
}
