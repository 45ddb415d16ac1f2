using System.CommandLine;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Spectre.Console;

namespace Exo.Host.Commands;

/// <summary>The options by which every command loads an engine.</summary>
internal sealed class EngineArguments
{
    private readonly Option<string> _model = new("--model", "-m")
    {
        Description = "A model folder, or the name of a bundled or cached model.",
        DefaultValueFactory = _ => ModelLocator.DefaultModel,
    };

    private readonly Option<int?> _threads = new("--threads") { Description = "Compute threads; by default what a start-up sweep finds best." };
    private readonly Option<int> _context = new("--context") { Description = "Positions of prompt and answer together; 0 = the model's, at most 8192." };
    private readonly Option<bool> _dequantize = new("--dequantize") { Description = "Compute in float32 throughout: slow, and as close to the reference as can be." };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _model, _threads, _context, _dequantize }) command.Options.Add(option);
    }

    /// <summary>The model's name in the API: its folder's.</summary>
    public string ModelId(ParseResult arguments) => Path.GetFileName(Path.TrimEndingDirectorySeparator(ModelLocator.Find(arguments.GetValue(_model)!)));

    /// <summary>Loads the engine, showing progress on standard error.</summary>
    public Engine Load(ParseResult arguments, EngineOptions options, CancellationToken cancellation)
    {
        string folder = ModelLocator.Find(arguments.GetValue(_model)!);
        options = options with
        {
            Arithmetic = arguments.GetValue(_dequantize) ? Arithmetic.Exact : Arithmetic.Fast,
            ContextLength = arguments.GetValue(_context),
        };
        Device device = CpuDevice.Create(arguments.GetValue(_threads));
        return ShowProgress(Path.GetFileName(folder), progress => Engine.Load(device, folder, options, progress, cancellation));
    }

    private static Engine ShowProgress(string name, Func<IProgress<LoadProgress>, Engine> load)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (Console.IsErrorRedirected) return load(new Progress(_ => { }));
        return console.Progress().AutoClear(true).Start(context =>
        {
            ProgressTask task = context.AddTask($"Loading {name}");
            return load(new Progress(at => task.MaxValue(at.Total).Value = at.Done));
        });
    }

    /// <summary>Reports at once, on the loading thread.</summary>
    private sealed class Progress(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }
}
