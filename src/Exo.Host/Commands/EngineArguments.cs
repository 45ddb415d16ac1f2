using System.CommandLine;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;

namespace Exo.Host.Commands;

/// <summary>The options by which every command loads an engine, on this process or over several nodes.</summary>
internal sealed class EngineArguments
{
    private readonly Option<string> _model = new("--model", "-m")
    {
        Description = "A model folder, or the name of a bundled or cached model.",
        DefaultValueFactory = _ => ModelLocator.DefaultModel,
    };

    private readonly Option<int?> _threads = new("--threads") { Description = "Compute threads of a node; by default all cores, shared by the nodes of one machine." };
    private readonly Option<int> _context = new("--context") { Description = "Positions of prompt and answer together; 0 = the model's, at most 8192." };
    private readonly Option<bool> _dequantize = new("--dequantize") { Description = "Compute in float32 throughout: slow, and as close to the reference as can be." };
    private readonly ClusterArguments _cluster = new();

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _model, _threads, _context, _dequantize }) command.Options.Add(option);
        _cluster.AddTo(command);
    }

    /// <summary>The model's name in the API: its folder's.</summary>
    public string ModelId(ParseResult arguments) => Path.GetFileName(Path.TrimEndingDirectorySeparator(ModelLocator.Find(arguments.GetValue(_model)!)));

    /// <summary>Where the timeline is to be written, or null.</summary>
    public string? Timeline(ParseResult arguments) => _cluster.Timeline(arguments);

    /// <summary>Loads the engine, showing progress on standard error; <paramref name="watch"/> may put something around the runner.</summary>
    public Task<LoadedEngine> LoadAsync(
        ParseResult arguments, EngineOptions options, CancellationToken cancellation, Func<ModelRunner, ModelRunner>? watch = null)
    {
        watch ??= runner => runner;
        string folder = ModelLocator.Find(arguments.GetValue(_model)!);
        int? threads = arguments.GetValue(_threads);
        options = options with
        {
            Arithmetic = arguments.GetValue(_dequantize) ? Arithmetic.Exact : Arithmetic.Fast,
            ContextLength = arguments.GetValue(_context),
        };
        return LoadProgressBars.ShowAsync(report =>
        {
            if (_cluster.IsAsked(arguments))
            {
                var cache = new CacheSize(options.ContextLength, options.MaxRunning);
                var model = new RankModel(arguments.GetValue(_model)!, "cpu", threads ?? _cluster.ThreadsOfANode(arguments), options.Arithmetic, cache);
                return _cluster.LoadAsync(arguments, model, options, watch, report, cancellation);
            }
            var progress = new Progress(at => report(Path.GetFileName(folder), at.Done, at.Total));
            return Task.Run(
                async () =>
                {
                    // Side by side: of a small model the tokenizer takes as long as the weights.
                    Task<ModelText> text = Task.Run(() => ModelText.Load(folder), cancellation);
                    var cache = new CacheSize(options.ContextLength, options.MaxRunning);
                    var runner = LocalRunner.Load(CpuDevice.Create(threads), folder, options.Arithmetic, cache, progress, cancellation);
                    try
                    {
                        await text;
                    }
                    catch
                    {
                        runner.Dispose();
                        throw;
                    }
                    return new LoadedEngine(new Engine(watch(runner), await text, options));
                },
                cancellation);
        });
    }

    /// <summary>Reports at once, on the loading thread.</summary>
    private sealed class Progress(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }
}
