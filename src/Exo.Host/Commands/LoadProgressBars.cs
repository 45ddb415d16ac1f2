using Spectre.Console;

namespace Exo.Host.Commands;

/// <summary>A bar a node on standard error while a model loads; nothing where that is no terminal.</summary>
internal static class LoadProgressBars
{
    /// <summary>Runs <paramref name="load"/>, which is given how to report (node, done, total), from any thread.</summary>
    public static async Task<T> ShowAsync<T>(Func<Action<string, int, int>, Task<T>> load)
    {
        if (Console.IsErrorRedirected) return await load((_, _, _) => { });
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return await console.Progress().AutoClear(true).StartAsync(context =>
        {
            var bars = new Dictionary<string, ProgressTask>();
            return load((node, done, total) =>
            {
                lock (bars)
                {
                    if (!bars.TryGetValue(node, out ProgressTask? bar)) bars[node] = bar = context.AddTask(Markup.Escape(node));
                    bar.MaxValue(total).Value = done;
                }
            });
        });
    }
}
