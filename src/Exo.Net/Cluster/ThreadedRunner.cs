using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Model.Weights;
using Exo.Net.Collectives;

namespace Exo.Net.Cluster;

/// <summary>
/// A split model whose ranks are threads of this process, connected through memory: to look at a split without other processes. Each rank
/// has a device, and loads only its slices.
/// </summary>
public sealed class ThreadedRunner : ModelRunner
{
    private readonly Rank[] _ranks;
    private readonly CancellationTokenSource _ending = new();
    private StepPlan? _pending;

    private ThreadedRunner(string folder, SplitLayout layout, ExpertSplit experts, Arithmetic arithmetic, CacheSize cacheSize, Func<Device> createDevice)
    {
        Config = ModelConfig.Load(folder);
        RankGroups[] groups = RankGrid.Loopback(layout.Tensor.WorldSize, layout.Pipeline.WorldSize, new ProcessGroupOptions(), _ending.Token);
        _ranks = [.. groups.Select(own => new Rank(() =>
        {
            var shard = new Shard(own.Tensor, layout.Tensor, own.Pipeline, layout.Pipeline, experts);
            var context = new ModelContext(createDevice(), Config, shard, arithmetic);
            using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
            var model = new CausalModel(context, checkpoint);
            return (context.Device, new RankRunner(context, model, cacheSize.NumPages(context, model)), own);
        }))];
        ResultRank = layout.ResultRank;
    }

    /// <inheritdoc/>
    public override ModelConfig Config { get; }

    /// <inheritdoc/>
    public override int NumPages => _ranks.Min(rank => rank.Runner.NumPages);

    /// <summary>Bytes of packed weights that each rank holds.</summary>
    public IReadOnlyList<long> WeightBytes => [.. _ranks.Select(rank => rank.Device.WeightBytes)];

    private int ResultRank { get; }

    /// <summary>Loads every rank's part of a model folder.</summary>
    public static ThreadedRunner Load(
        string folder, SplitLayout layout, ExpertSplit experts, Arithmetic arithmetic, CacheSize cacheSize, Func<Device> createDevice)
    {
        var runner = new ThreadedRunner(folder, layout, experts, arithmetic, cacheSize, createDevice);
        try
        {
            foreach (Rank rank in runner._ranks) rank.Wait();
            return runner;
        }
        catch
        {
            runner.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Submit(StepPlan plan)
    {
        if (_pending is not null) throw new InvalidOperationException("a step is in flight");
        _pending = plan;
        foreach (Rank rank in _ranks) rank.Begin(plan);
    }

    /// <inheritdoc/>
    public override StepResult Take(CancellationToken cancellation = default)
    {
        _ = _pending ?? throw new InvalidOperationException("no step is in flight");
        _pending = null;
        foreach (Rank rank in _ranks) rank.Wait();
        return _ranks[ResultRank].Result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _ending.Cancel();
        foreach (Rank rank in _ranks) rank.Dispose();
        _ending.Dispose();
    }

    /// <summary>A thread that loads, then runs the plans it is given.</summary>
    private sealed class Rank : IDisposable
    {
        private readonly SemaphoreSlim _begun = new(0);
        private readonly SemaphoreSlim _done = new(0);
        private readonly Thread _thread;
        private StepPlan? _plan;
        private Exception? _error;

        public Rank(Func<(Device, RankRunner, RankGroups)> load)
        {
            _thread = new Thread(() => Run(load)) { IsBackground = true, Name = "exo rank" };
            _thread.Start();
        }

        public Device Device { get; private set; } = null!;

        public RankRunner Runner { get; private set; } = null!;

        public StepResult Result { get; } = new();

        public void Begin(StepPlan plan)
        {
            _plan = plan;
            _begun.Release();
        }

        public void Wait()
        {
            _done.Wait();
            if (_error is { } error) throw error;
        }

        public void Dispose()
        {
            _plan = null;
            _begun.Release();
            _thread.Join();
        }

        private void Run(Func<(Device, RankRunner, RankGroups)> load)
        {
            RankGroups? groups = null;
            try
            {
                (Device, Runner, groups) = load();
                _done.Release();
                for (_begun.Wait(); _plan is { } plan; _begun.Wait())
                {
                    Runner.Run(plan, Result);
                    _done.Release();
                }
            }
            catch (Exception error)
            {
                _error = error;
                _done.Release();
            }
            Runner?.Dispose();
            Device?.Dispose();
            groups?.Dispose();
        }
    }
}
