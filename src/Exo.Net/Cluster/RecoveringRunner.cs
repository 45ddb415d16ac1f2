using System.Diagnostics;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster.Control;

namespace Exo.Net.Cluster;

/// <summary>
/// Outlives the plans of a cluster. A node that ends a plan ends the answers that were under way, with an error that names it; the next
/// step that begins only new sequences gets a new plan, if the nodes are back. Until they are, steps are refused with the missing node's
/// name, and the nodes are looked for ever more seldom.
/// </summary>
public sealed class RecoveringRunner : ModelRunner
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(30);
    private readonly Func<CancellationToken, Task<ClusterRunner>> _planAgain;
    private readonly CancellationToken _stop;
    private ClusterRunner _current;
    private ClusterException? _missing;
    private TimeSpan _pause = FirstPause;
    private long _triedAt;

    /// <param name="first">The first plan; owned from here on.</param>
    /// <param name="planAgain">Brings the nodes together again and makes the next plan, or throws what is missing.</param>
    /// <param name="stop">Gives up: nobody waits for a step any more.</param>
    public RecoveringRunner(ClusterRunner first, Func<CancellationToken, Task<ClusterRunner>> planAgain, CancellationToken stop)
    {
        (_current, _planAgain, _stop) = (first, planAgain, stop);
        (Config, NumPages) = (first.Config, first.NumPages);
    }

    /// <inheritdoc/>
    public override ModelConfig Config { get; }

    /// <inheritdoc/>
    public override int NumPages { get; }

    /// <inheritdoc/>
    public override long Epoch => _current.Epoch;

    /// <inheritdoc/>
    /// <exception cref="ClusterException">A node ended the plan of a sequence that goes on, or is not back yet.</exception>
    public override void Submit(StepPlan plan)
    {
        if (_current.Failure is { } failure)
        {
            // What a sequence has cached went with the plan.
            if (plan.Sequences.Any(sequence => sequence.FirstPosition > 0))
                throw failure;
            Recover(failure);
        }
        plan.Epoch = Epoch;
        _current.Submit(plan);
    }

    /// <inheritdoc/>
    public override StepResult Take(CancellationToken cancellation = default) => _current.Take(cancellation);

    /// <inheritdoc cref="ClusterRunner.WriteTimelineAsync"/>
    public Task WriteTimelineAsync(Stream stream, CancellationToken token) => _current.WriteTimelineAsync(stream, token);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _current.Dispose();

    private void Recover(ClusterException failure)
    {
        if (_missing is { } missing && Stopwatch.GetElapsedTime(_triedAt) < _pause)
            throw missing;
        _current.Dispose();
        try
        {
            var next = Task.Run(() => _planAgain(_stop), _stop).GetAwaiter().GetResult();
            if (next.NumPages < NumPages)
            {
                next.Dispose();
                throw new ClusterException($"plan {next.Epoch}: expected room for {NumPages} cache pages as before, got {next.NumPages}");
            }
            (_current, _missing, _pause) = (next, null, FirstPause);
        }
        catch (Exception e) when (e is ClusterException or ControlHandshakeException)
        {
            if (_missing is not null)
                _pause = _pause * 2 < MaxPause ? _pause * 2 : MaxPause;
            _triedAt = Stopwatch.GetTimestamp();
            throw _missing = e as NodeFailedException ?? new ClusterException($"{failure.Message}; there is no new plan: {e.Message}", e);
        }
    }
}
