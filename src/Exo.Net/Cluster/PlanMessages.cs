using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

// The control plane's messages, as JSON over the rpc channel. Setting up a plan, leader to worker:
//   OfferPlan   -> PlanPromise   the worker opens its listeners, and takes no older plan from here on
//   ConnectPlan                  data connections between all pairs, heartbeats up both ways
//   LoadPlan    -> LoadedShard   exactly the rank's slices; ShardProgress goes back meanwhile
//   StartPlan                    the cache is made and step plans are taken
//   EndPlan                      everything of the plan is let go

/// <summary>A plan, as one rank is told it.</summary>
public sealed record PlanOffer
{
    /// <summary>Number of the plan at its leader; each is higher than those before.</summary>
    public required uint Epoch { get; init; }

    /// <summary>The rank that this node is to be.</summary>
    public required int Rank { get; init; }

    /// <summary>The node of each rank; rank 0 is the leader.</summary>
    public required string[] NodeNames { get; init; }

    /// <summary>What the ranks hold (<see cref="SplitLayout"/>).</summary>
    public required int[] TensorRatios { get; init; }

    /// <summary>What the stages hold.</summary>
    public required int[] StageRatios { get; init; }

    /// <summary>How data goes between ranks of one host.</summary>
    public required LinkChoice Links { get; init; }

    /// <summary>Whether each rank keeps a timeline of its steps.</summary>
    public required bool KeepsTimeline { get; init; }

    /// <summary>What is to be run.</summary>
    public required RankModel Model { get; init; }

    /// <summary>The layout that the ratios describe.</summary>
    internal SplitLayout Layout => new(TensorRatios, StageRatios);
}

/// <summary>What is to be run, as every rank is told it.</summary>
/// <param name="Model">A folder, or a name that each node looks up.</param>
/// <param name="Device">The kind of device, as each node's device factory understands it.</param>
/// <param name="NumThreads">Threads of a CPU device; 0 = the node's choice.</param>
/// <param name="Arithmetic">What decides the answer's bits.</param>
/// <param name="CacheSize">The cache that is wanted.</param>
public sealed record RankModel(string Model, string Device, int NumThreads, Arithmetic Arithmetic, CacheSize CacheSize);

/// <summary>A rank's answer: it is ready to be connected.</summary>
public sealed record PlanPromise
{
    /// <summary>Equal for ranks that can share memory.</summary>
    public required string HostId { get; init; }

    /// <summary>Where it takes TCP data connections.</summary>
    public required string Address { get; init; }

    /// <summary>Where it takes shared-memory connections, one a peer in rank order.</summary>
    public required string[] SharedPaths { get; init; }

    /// <summary>Where it takes heartbeats.</summary>
    public required string HeartbeatAddress { get; init; }

    /// <summary>32 random bytes, its part of the data connections' keys.</summary>
    public required byte[] Random { get; init; }
}

/// <summary>One end of one data connection.</summary>
public sealed record LinkOrder
{
    /// <summary>The rank at the other end.</summary>
    public required int Peer { get; init; }

    /// <summary>Which end this is.</summary>
    public required LinkRole Role { get; init; }

    /// <summary>Shared memory, or else TCP.</summary>
    public required bool IsShared { get; init; }

    /// <summary>Where the listener waits: a path or an address.</summary>
    public required string Place { get; init; }

    /// <summary>What the dialer shows first.</summary>
    public required byte[] Ticket { get; init; }

    /// <summary>The pair's secret, from which its keys are made; null on trusted links.</summary>
    public byte[]? Secret { get; init; }

    /// <summary>The dialer's random.</summary>
    public required byte[] DialerRandom { get; init; }

    /// <summary>The listener's random.</summary>
    public required byte[] ListenerRandom { get; init; }
}

/// <summary>One end of the heartbeats between two workers.</summary>
public sealed record HeartbeatOrder
{
    /// <summary>The rank at the other end.</summary>
    public required int Peer { get; init; }

    /// <summary>Which end this is: the lower rank's is called the dialer's.</summary>
    public required LinkRole Role { get; init; }

    /// <summary>Where the peer takes heartbeats.</summary>
    public required string Address { get; init; }

    /// <summary>The pair's secret, from which its keys are made.</summary>
    public required byte[] Secret { get; init; }

    /// <summary>The peer's random.</summary>
    public required byte[] PeerRandom { get; init; }
}

/// <summary>Everything a rank needs to connect.</summary>
public sealed record PlanConnections
{
    /// <summary>The plan.</summary>
    public required uint Epoch { get; init; }

    /// <summary>One entry a peer.</summary>
    public required LinkOrder[] Links { get; init; }

    /// <summary>Ranks of the plan that share this rank's host, itself included: they share its cores.</summary>
    public required int NumRanksOnHost { get; init; }

    /// <summary>Heartbeats with ranks other than the leader, one entry a peer.</summary>
    public required HeartbeatOrder[] Heartbeats { get; init; }

    /// <summary>Where the leader takes heartbeats.</summary>
    public required string LeaderHeartbeatAddress { get; init; }

    /// <summary>The leader's random, for the heartbeats' keys.</summary>
    public required byte[] LeaderRandom { get; init; }
}

/// <summary>A rank has loaded.</summary>
/// <param name="NumPages">Cache pages that it has room for.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record LoadedShard(int NumPages, double Seconds);

/// <summary>How far a rank's loading is.</summary>
/// <param name="Epoch">The plan.</param>
/// <param name="Rank">The rank.</param>
/// <param name="Node">Its node's name.</param>
/// <param name="Done">Layers (and ends) loaded.</param>
/// <param name="Total">Layers (and ends) to load.</param>
public sealed record ShardProgress(uint Epoch, int Rank, string Node, int Done, int Total);

/// <summary>A rank has ended the plan.</summary>
/// <param name="Epoch">The plan.</param>
/// <param name="Rank">Who says so.</param>
/// <param name="Cause">The rank whose fault it is, as far as the sender can tell: its own, or a peer's.</param>
/// <param name="What">What was seen.</param>
public sealed record PlanFailure(uint Epoch, int Rank, int Cause, string What);
