using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>
/// Finds out whose fault the end of a plan is. When a node dies its peers see closed sockets, end the plan too, and so close their own:
/// who only saw a socket close must not be believed at once. Certain news (a control connection gone, silence, a node's own confession)
/// decides immediately; a suspicion decides only if nothing certain comes within a moment.
/// </summary>
internal sealed class PlanWatch : IDisposable
{
    /// <summary>How long a suspicion waits; half of the 200 ms in which a closed socket must end a step.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _failed = new();
    private readonly ManualResetEventSlim _decided = new();
    private readonly Dictionary<string, string> _suspects = [];
    private readonly HashSet<string> _cleared = [];
    private bool _disposed;

    /// <summary>Cancelled when the plan has failed, after <see cref="Failure"/> was set.</summary>
    public CancellationToken Failed => _failed.Token;

    /// <summary>Who ended the plan, and how; null while it lives.</summary>
    public ClusterException? Failure { get; private set; }

    /// <summary>Raised once, on any thread, when the plan has failed.</summary>
    public Action<ClusterException>? OnFailure { get; set; }

    /// <summary>Certain news. The first decides.</summary>
    public void Blame(string node, string what, Exception? inner = null) => Decide(new NodeFailedException(node, what, inner));

    /// <summary>The plan was ended on purpose.</summary>
    public void End(string why) => Decide(new ClusterException(why));

    /// <summary>A peer's connection closed, or a peer says that one did.</summary>
    public void Suspect(string node, string what)
    {
        lock (_lock)
        {
            if (Failure is not null || _cleared.Contains(node))
                return;
            _suspects.TryAdd(node, what);
        }
        _ = DecideLaterAsync();
    }

    /// <summary>The node lives and accuses another: its own closed connections mean nothing.</summary>
    public void Clear(string node)
    {
        lock (_lock)
        {
            _cleared.Add(node);
            _suspects.Remove(node);
        }
    }

    /// <summary>What to throw for an exception that a wait of this plan threw; decides within <see cref="Grace"/>.</summary>
    public Exception Explain(Exception seen, string ownNode)
    {
        if (seen is WireException wire)
            Suspect(wire.Peer, wire.Message);
        else if (seen is not OperationCanceledException)
            Blame(ownNode, seen.Message, seen);
        if (!_decided.Wait(Grace))
            DecideBySuspicion();
        return Failure is not null ? Failure : seen;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
            _disposed = true;
        _failed.Dispose();
        _decided.Dispose();
    }

    private async Task DecideLaterAsync()
    {
        await Task.Delay(Grace);
        DecideBySuspicion();
    }

    private void DecideBySuspicion()
    {
        KeyValuePair<string, string>? suspect;
        lock (_lock)
            suspect = _suspects.Count > 0 ? _suspects.First() : null;
        if (suspect is { } found)
            Blame(found.Key, found.Value);
    }

    private void Decide(ClusterException failure)
    {
        lock (_lock)
        {
            if (_disposed || Failure is not null)
                return;
            Failure = failure;
            _decided.Set();
        }
        try
        {
            _failed.Cancel();
        }
        catch (ObjectDisposedException)
        {
            return; // the plan was let go in the same moment
        }
        OnFailure?.Invoke(failure);
    }
}
