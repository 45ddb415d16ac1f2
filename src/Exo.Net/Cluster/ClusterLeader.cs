using System.Net;
using Exo.Model;
using Exo.Net.Cluster.Control;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>What a leader is asked to run.</summary>
/// <param name="Model">The model, and how each rank runs it.</param>
/// <param name="Layout">What each node holds; this process is rank 0.</param>
public sealed record PlanRequest(RankModel Model, SplitLayout Layout)
{
    /// <summary>How data goes between nodes of one host.</summary>
    public LinkChoice Links { get; init; } = LinkChoice.Automatic;

    /// <summary>Whether frames between hosts are sealed.</summary>
    public LinkSeal Seal { get; init; } = LinkSeal.Encrypted;

    /// <summary>Keeps each rank's timeline, for <see cref="ClusterRunner.WriteTimelineAsync"/>.</summary>
    public bool KeepsTimeline { get; init; }
}

/// <summary>
/// The node that holds the client: it knows workers, gives each a part of a model, and runs it over all of them. It computes too, as
/// rank 0 of each plan.
/// </summary>
public sealed class ClusterLeader(ControlOptions control, NodeServices services) : IAsyncDisposable
{
    private readonly List<WorkerLink> _workers = [];
    private readonly Dictionary<string, EndPoint> _dialled = [];
    private uint _epoch;

    /// <summary>This node's name.</summary>
    public string Name => control.Identity.Name;

    /// <summary>Names of the workers whose connection is up, in the order in which they get ranks.</summary>
    public IReadOnlyList<string> Workers => [.. Living.Select(worker => worker.Name)];

    private IEnumerable<WorkerLink> Living => _workers.Where(worker => !worker.Completion.IsCompleted && !worker.HasPeerClosed);

    /// <summary>Takes workers that dial, until there are so many in all.</summary>
    /// <exception cref="OperationCanceledException">Cancelled before they had come.</exception>
    public async Task AcceptWorkersAsync(ControlListener listener, int numWorkers, CancellationToken token)
    {
        while (Workers.Count < numWorkers)
            await AddAsync(await listener.AcceptAsync(token), token);
    }

    /// <summary>Dials a worker that listens.</summary>
    /// <exception cref="ControlHandshakeException">Not reached, or refused.</exception>
    public async Task DialWorkerAsync(EndPoint address, CancellationToken token)
    {
        var connection = await ControlConnection.DialAsync(address, control, token);
        await AddAsync(connection, token);
        _dialled[connection.Remote.Name] = address;
    }

    /// <summary>Dials those again that were dialled before and are gone.</summary>
    /// <exception cref="NodeFailedException">One is not back; it is named.</exception>
    public async Task RedialWorkersAsync(CancellationToken token)
    {
        foreach (var (name, address) in _dialled.ToArray())
        {
            if (Workers.Contains(name))
                continue;
            try
            {
                await DialWorkerAsync(address, token);
            }
            catch (ControlHandshakeException e)
            {
                throw new NodeFailedException(name, $"it is gone, and not back yet: {e.Message}", e);
            }
        }
    }

    /// <summary>Sets up a plan over this node and the first workers, loads the model, and returns what runs it.</summary>
    /// <exception cref="NodeFailedException">A node failed in it; it is named.</exception>
    /// <exception cref="ClusterException">Too few workers.</exception>
    public async Task<ClusterRunner> StartPlanAsync(PlanRequest request, IProgress<ShardProgress>? progress, CancellationToken token)
    {
        WorkerLink[] workers = [.. Living.Take(request.Layout.WorldSize - 1)];
        if (workers.Length < request.Layout.WorldSize - 1)
            throw new ClusterException($"{request.Layout}: expected {request.Layout.WorldSize - 1} workers, got {workers.Length}");
        uint epoch = ++_epoch;
        PlanOffer[] offers = [.. Enumerable.Range(0, workers.Length + 1).Select(rank => new PlanOffer
        {
            Epoch = epoch,
            Rank = rank,
            NodeNames = [Name, .. workers.Select(worker => worker.Name)],
            TensorRatios = [.. request.Layout.TensorRatios],
            StageRatios = [.. request.Layout.StageRatios],
            Links = request.Links,
            KeepsTimeline = request.KeepsTimeline,
            Model = request.Model,
        })];
        var own = new PlanRank(offers[0], ListenAddress(workers), services);
        var runner = new ClusterRunner(own, workers);
        try
        {
            await SetUpAsync(own, workers, offers, request.Seal, progress, token);
            return runner;
        }
        catch (Exception e)
        {
            Exception explained = token.IsCancellationRequested ? e : own.Watch.Failure ?? e;
            runner.Dispose();
            if (explained == e)
                throw;
            throw explained;
        }
    }

    /// <summary>Says farewell to the workers and closes the connections with them. Plans must be disposed first.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_workers.Select(worker => worker.DisposeAsync().AsTask()));

    private async Task AddAsync(ControlConnection connection, CancellationToken token)
    {
        string name = connection.Remote.Name;
        if (name == Name || Workers.Contains(name))
        {
            await connection.DisposeAsync();
            throw new ClusterException($"a second node is called {name}: errors could not tell them apart");
        }
        _workers.Add(await WorkerLink.OpenAsync(connection, token));
        foreach (var gone in _workers.Except(Living).ToArray())
        {
            _workers.Remove(gone);
            await gone.DisposeAsync();
        }
    }

    private static async Task SetUpAsync(
        PlanRank own, WorkerLink[] workers, PlanOffer[] offers, LinkSeal seal, IProgress<ShardProgress>? progress, CancellationToken token)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(token, own.Watch.Failed);
        uint epoch = own.Offer.Epoch;
        PlanPromise[] promises = [own.Promise(), .. await Task.WhenAll(workers.Select((worker, i) => worker.OfferAsync(offers[i + 1],
            either.Token)))];
        string[] leaderAddresses = [promises[0].Address, .. workers.Select(worker => SeenFrom(worker, promises[0].Address))];
        var links = PlanLinks.Arrange(promises, leaderAddresses, own.Offer.Links, seal);
        var heartbeats = PlanLinks.ArrangeHeartbeats(promises);
        HeartbeatPeer[] peers = [.. workers.Select((worker, i) => new HeartbeatPeer(
            i + 1, worker.Name, IPEndPoint.Parse(promises[i + 1].HeartbeatAddress),
            LinkCipher.Derive(worker.DeriveSecret(WorkerSession.HeartbeatPurpose(offers[i + 1])), own.Random, promises[i + 1].Random,
                LinkRole.Dialer)))];
        await Task.WhenAll(
        [
            BlockingWork.RunAsync(() => own.Connect(
                links[0], peers, (peer, what) => own.Watch.Blame(peer.Name, what), RanksOnHostOf(0), either.Token)),
            .. workers.Select((worker, i) => worker.ConnectAsync(
                new PlanConnections
                {
                    Epoch = epoch,
                    Links = links[i + 1],
                    Heartbeats = heartbeats[i + 1],
                    NumRanksOnHost = RanksOnHostOf(i + 1),
                    LeaderHeartbeatAddress = SeenFrom(worker, promises[0].HeartbeatAddress),
                    LeaderRandom = own.Random,
                }, either.Token)),
        ]);

        int RanksOnHostOf(int rank) => promises.Count(promise => promise.HostId == promises[rank].HostId);

        foreach (var worker in workers)
            worker.Loading = progress;
        var ownProgress = new OwnProgress(own, progress);
        var shards = await Task.WhenAll(
            [BlockingWork.RunAsync(() => own.Load(ownProgress, either.Token)), .. workers.Select(worker => worker.LoadAsync(epoch,
                either.Token))]);
        int numPages = shards.Min(shard => shard.NumPages);
        await Task.WhenAll(
            [BlockingWork.RunAsync(() => own.Start(numPages)), .. workers.Select(worker => worker.StartAsync(epoch, numPages,
                either.Token))]);
    }

    // One address if all workers see this process at it, all addresses if not.
    private static IPAddress ListenAddress(WorkerLink[] workers)
    {
        IPAddress[] seen = [.. workers.Select(worker => worker.LocalAddress).Distinct()];
        return seen switch
        {
            [] => IPAddress.Loopback,
            [var only] => only,
            _ when seen.All(address => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork) => IPAddress.Any,
            _ => IPAddress.IPv6Any,
        };
    }

    private static string SeenFrom(WorkerLink worker, string address) =>
        $"{new IPEndPoint(worker.LocalAddress, IPEndPoint.Parse(address).Port)}";

    private sealed class OwnProgress(PlanRank rank, IProgress<ShardProgress>? progress) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) =>
            progress?.Report(new ShardProgress(rank.Offer.Epoch, 0, rank.OwnName, value.Done, value.Total));
    }
}
