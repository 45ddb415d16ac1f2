using System.Net;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster.Control;
using Exo.Net.Transports;
using Exo.Net.Wire;
using StreamJsonRpc;

namespace Exo.Net.Cluster;

/// <summary>
/// A worker's side of one control connection: its public methods are what the leader calls (PlanMessages.cs has their order). At most
/// one plan at a time; an offer ends the plan before it.
/// </summary>
internal sealed class WorkerSession(ControlConnection leader, NodeServices services) : IAsyncDisposable
{
    private static readonly TimeSpan ThreadTimeout = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim _turn = new(1);
    private readonly TaskCompletionSource<string> _leaderLost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private JsonRpc? _rpc;
    private PlanRank? _rank;
    private Thread? _thread;
    private uint _promised;
    private volatile bool _saidFarewell;

    /// <summary>Serves until the leader is gone. Returns what happened to it, or null if it said farewell.</summary>
    public async Task<string?> RunAsync(CancellationToken token)
    {
        _rpc = await leader.OpenRpcAsync(this, token);
        _rpc.StartListening();
        var cancelled = new TaskCompletionSource();
        await using var registration = token.Register(cancelled.SetResult);
        await Task.WhenAny(leader.Completion, _leaderLost.Task, cancelled.Task);
        token.ThrowIfCancellationRequested();
        if (_saidFarewell)
            return null;
        return _leaderLost.Task.IsCompleted ? await _leaderLost.Task : "its control connection closed";
    }

    /// <summary>Opens the listeners of a plan's rank.</summary>
    public async Task<PlanPromise> OfferPlan(PlanOffer offer)
    {
        if (_rank is { } old)
            await EndPlan(old.Offer.Epoch, $"plan {offer.Epoch} takes its place");
        return await InTurnAsync(() =>
        {
            if (offer.Epoch <= _promised)
                throw new ClusterException($"plan {offer.Epoch}: expected one after {_promised}, which was promised");
            _promised = offer.Epoch;
            _rank = new PlanRank(offer, leader.LocalAddress, services);
            _rank.Watch.IsGone = node => node == offer.NodeNames[0] && leader.HasPeerClosed;
            _rank.Watch.OnFailure = OnFailure;
            return _rank.Promise();
        });
    }

    /// <summary>Connects the rank with all others.</summary>
    public Task ConnectPlan(PlanConnections connections) => InTurnAsync(() =>
    {
        var rank = Current(connections.Epoch);
        byte[] secret = leader.DeriveDataSecret(HeartbeatPurpose(rank.Offer));
        var cipher = LinkCipher.Derive(secret, connections.LeaderRandom, rank.Random, LinkRole.Listener);
        var leading = new HeartbeatPeer(0, rank.Offer.NodeNames[0], IPEndPoint.Parse(connections.LeaderHeartbeatAddress), cipher);
        var others = connections.Heartbeats.Select(order => new HeartbeatPeer(order.Peer, rank.Offer.NodeNames[order.Peer],
            IPEndPoint.Parse(order.Address), LinkCipher.Derive(order.Secret,
                order.Role == LinkRole.Dialer ? rank.Random : order.PeerRandom,
                order.Role == LinkRole.Dialer ? order.PeerRandom : rank.Random, order.Role)));
        rank.Connect(connections.Links, [leading, .. others], (peer, what) => OnDown(rank, peer, what), connections.NumRanksOnHost,
            rank.Watch.Failed);
        return true;
    });

    /// <summary>Loads the rank's slices.</summary>
    public Task<LoadedShard> LoadPlan(uint epoch) => InTurnAsync(() =>
    {
        var rank = Current(epoch);
        var progress = new ForwardedProgress(_rpc!, rank);
        return rank.Load(progress, rank.Watch.Failed);
    });

    /// <summary>Makes the cache and begins to take step plans.</summary>
    public Task StartPlan(uint epoch, int numPages) => InTurnAsync(() =>
    {
        var rank = Current(epoch);
        rank.Start(numPages);
        _thread = new Thread(() => Work(rank)) { IsBackground = true, Name = $"rank {rank.Offer.Rank}" };
        _thread.Start();
        return true;
    });

    /// <summary>Lets a plan go, whatever it is doing.</summary>
    public async Task EndPlan(uint epoch, string why)
    {
        _rank?.Watch.End(why);
        await InTurnAsync(() =>
        {
            if (_rank?.Offer.Epoch == epoch)
                Release();
            return true;
        });
    }

    /// <summary>The rank's timeline so far, as <see cref="StepTimeline.Export"/> writes it.</summary>
    public Task<byte[]> ReadTimeline(uint epoch) => InTurnAsync(() => Current(epoch).Timeline?.Export() ?? []);

    /// <summary>This machine's monotonic clock, in nanoseconds.</summary>
    public long Clock() => StepTimeline.Now;

    /// <summary>The leader is about to go, in good order.</summary>
    public void Farewell() => _saidFarewell = true;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _rank?.Watch.End("the control connection is closed");
        await InTurnAsync(() =>
        {
            Release();
            return true;
        });
        _rpc?.Dispose();
        _turn.Dispose();
    }

    /// <summary>What the key of a pair of heartbeats is derived for.</summary>
    internal static string HeartbeatPurpose(PlanOffer offer) => $"heartbeats of plan {offer.Epoch} rank {offer.Rank}";

    // The rank's own thread: it takes plans until the plan ends, and tells the leader if that was not the leader's doing.
    private void Work(PlanRank rank)
    {
        try
        {
            new WorkerLoop(rank).Run();
        }
        catch (Exception) when (rank.Watch.Failure is not null)
        {
            // The plan has ended, and whoever ended it knows why.
        }
        catch (WireException e)
        {
            Report(rank, Array.IndexOf(rank.Offer.NodeNames, e.Peer), e.Message);
        }
        catch (Exception e)
        {
            Report(rank, rank.Offer.Rank, e.Message);
        }
    }

    private void Report(PlanRank rank, int cause, string what) =>
        _ = _rpc!.NotifyAsync(nameof(WorkerLink.PlanFailed), new PlanFailure(rank.Offer.Epoch, rank.Offer.Rank, Math.Max(cause, 0), what));

    // Whose fault it is that another worker is not heard any more, the leader can tell: it hears both.
    private void OnDown(PlanRank rank, HeartbeatPeer peer, string what)
    {
        if (peer.Rank == 0)
            rank.Watch.Blame(peer.Name, what);
        else
            Report(rank, peer.Rank, $"its link to {peer.Name} is down: {what}");
    }

    private void OnFailure(ClusterException failure)
    {
        if (failure is NodeFailedException node && node.Node == _rank?.Offer.NodeNames[0])
            _leaderLost.TrySetResult(failure.Message);
    }

    private PlanRank Current(uint epoch) => _rank?.Offer.Epoch == epoch
        ? _rank
        : throw new ClusterException($"plan {epoch}: expected {(_rank is null ? "an offer first" : $"plan {_rank.Offer.Epoch}")}");

    private void Release()
    {
        var (rank, thread) = (_rank, _thread);
        (_rank, _thread) = (null, null);
        if (thread is not null && !thread.Join(ThreadTimeout))
        {
            // It computes still; what it holds is let go once it does not.
            new Thread(() => DisposeAfter(thread, rank!)) { IsBackground = true, Name = $"end of plan {rank!.Offer.Epoch}" }.Start();
            throw new ClusterException($"plan {rank.Offer.Epoch}: its thread did not end within {ThreadTimeout.TotalSeconds} s");
        }
        rank?.Dispose();
    }

    private static void DisposeAfter(Thread thread, PlanRank rank)
    {
        thread.Join();
        rank.Dispose();
    }

    private async Task<T> InTurnAsync<T>(Func<T> work)
    {
        await _turn.WaitAsync();
        try
        {
            return await BlockingWork.RunAsync(work);
        }
        finally
        {
            _turn.Release();
        }
    }

    private sealed class ForwardedProgress(JsonRpc rpc, PlanRank rank) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => _ = rpc.NotifyAsync(nameof(WorkerLink.ShardLoading),
            new ShardProgress(rank.Offer.Epoch, rank.Offer.Rank, rank.OwnName, value.Done, value.Total));
    }
}
