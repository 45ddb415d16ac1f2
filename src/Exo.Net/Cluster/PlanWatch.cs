using System.Diagnostics;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>
/// Finds out whose fault the end of a plan is. When a node dies its peers see closed sockets, end the plan too, and so close their own:
/// who only saw a socket close must not be believed at once. Certain news (a control connection gone, silence, a node's own confession)
/// decides immediately; a suspicion decides only if nothing certain comes within a moment.
/// </summary>
internal sealed class PlanWatch(TimeSpan grace) : IDisposable
{
    /// <summary>How long a suspicion waits; half of the 200 ms in which a closed socket must end a step.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(100);

    // How often a suspect is looked at meanwhile.
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(5);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _failed = new();
    private readonly ManualResetEventSlim _decided = new();
    private readonly Dictionary<string, string> _suspects = [];
    private readonly List<(string Node, string What)> _accusations = [];
    private readonly HashSet<string> _witnesses = [];
    private bool _disposed;

    /// <summary>A watch with the usual grace.</summary>
    public PlanWatch() : this(Grace)
    {
    }

    /// <summary>Cancelled when the plan has failed, after <see cref="Failure"/> was set.</summary>
    public CancellationToken Failed => _failed.Token;

    /// <summary>Who ended the plan, and how; null while it lives.</summary>
    public ClusterException? Failure { get; private set; }

    /// <summary>True for a node whose process is known to be gone: then a suspicion is certain. May be called by any thread.</summary>
    public Func<string, bool>? IsGone { get; set; }

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
            if (Failure is not null || _witnesses.Contains(node))
                return;
            _suspects.TryAdd(node, what);
        }
        if (!BlameTheGone())
            _ = DecideLaterAsync();
    }

    /// <summary>
    /// A node that lives accuses another: its own closed connections mean nothing. Two that accuse each other have lost what is between
    /// them, and the first accusation says so.
    /// </summary>
    public void Accuse(string witness, string accused, string what)
    {
        lock (_lock)
        {
            if (Failure is not null)
                return;
            _witnesses.Add(witness);
            _suspects.Remove(witness);
            _accusations.Add((accused, what));
            if (!_witnesses.Contains(accused))
                _suspects.TryAdd(accused, what);
        }
        if (!BlameTheGone())
            _ = DecideLaterAsync();
    }

    /// <summary>What to throw for an exception that a wait of this plan threw; decides within the grace.</summary>
    public Exception Explain(Exception seen, string ownNode)
    {
        if (seen is WireException wire)
            Suspect(wire.Peer, wire.Message);
        else if (seen is not OperationCanceledException)
            Blame(ownNode, seen.Message, seen);
        var waiting = Stopwatch.StartNew();
        while (!BlameTheGone() && waiting.Elapsed < grace && !_decided.Wait(Glance))
        {
            // A process that dies closes its connections one after the other.
        }
        if (Failure is null)
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
        await Task.Delay(grace);
        DecideBySuspicion();
    }

    private void DecideBySuspicion()
    {
        (string Node, string What)? suspect = null;
        lock (_lock)
        {
            if (_suspects.Count > 0)
                suspect = (_suspects.First().Key, _suspects.First().Value);
            else if (_accusations.Count > 0)
                suspect = _accusations[0];
        }
        if (suspect is { } found)
            Blame(found.Node, found.What);
    }

    private bool BlameTheGone()
    {
        if (IsGone is not { } isGone || Failure is not null)
            return Failure is not null;
        (string Node, string What)[] suspects;
        lock (_lock)
            suspects = [.. _suspects.Select(suspect => (suspect.Key, suspect.Value))];
        foreach (var (node, what) in suspects.Where(suspect => isGone(suspect.Node)))
        {
            Blame(node, what);
            return true;
        }
        return false;
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
