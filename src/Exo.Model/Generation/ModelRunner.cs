namespace Exo.Model.Generation;

/// <summary>
/// Runs step plans on a model, wherever its parts are. Several steps may be in flight; results come in order. One thread submits and
/// takes results.
/// </summary>
public abstract class ModelRunner : IDisposable
{
    /// <summary>The model's configuration.</summary>
    public abstract ModelConfig Config { get; }

    /// <summary>Pages of 16 positions that plans may use: [0, NumPages).</summary>
    public abstract int NumPages { get; }

    /// <summary>Epoch that plans must carry.</summary>
    public virtual long Epoch => 0;

    /// <summary>Begins a step. The plan may be changed again when its result has been taken.</summary>
    public abstract void Submit(StepPlan plan);

    /// <summary>Waits for the oldest step in flight. Its failure is thrown here.</summary>
    public abstract StepResult Take(CancellationToken cancellation = default);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the model.</summary>
    protected abstract void Dispose(bool disposing);
}
