using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Generation;

/// <summary>The whole model in this process, on one device.</summary>
public sealed class LocalRunner : ModelRunner
{
    private readonly Device _device;
    private readonly RankRunner _runner;
    private readonly StepResult _result = new();
    private StepPlan? _pending;

    private LocalRunner(Device device, ModelConfig config, RankRunner runner)
    {
        (_device, Config, _runner) = (device, config, runner);
    }

    /// <inheritdoc/>
    public override ModelConfig Config { get; }

    /// <inheritdoc/>
    public override int NumPages => _runner.NumPages;

    /// <summary>Loads a model folder. Takes ownership of the device, also when loading fails.</summary>
    public static LocalRunner Load(
        Device device, string folder, Arithmetic arithmetic, CacheSize cacheSize, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        try
        {
            ModelConfig config = ModelConfig.Load(folder);
            var context = new ModelContext(device, config, Shard.Whole, arithmetic);
            using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
            return new LocalRunner(device, config, RankRunner.Load(context, checkpoint, cacheSize, progress, cancellation));
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Submit(StepPlan plan)
    {
        if (_pending is not null) throw new InvalidOperationException("a step is in flight");
        _pending = plan;
    }

    /// <inheritdoc/>
    public override StepResult Take(CancellationToken cancellation = default)
    {
        StepPlan plan = _pending ?? throw new InvalidOperationException("no step is in flight");
        _pending = null;
        _runner.Run(plan, _result);
        return _result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _runner.Dispose();
        _device.Dispose();
    }
}
