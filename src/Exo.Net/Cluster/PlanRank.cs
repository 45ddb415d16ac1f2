using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Model.Weights;
using Exo.Net.Collectives;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>
/// One rank of one plan in this process: its listeners, then its connections and heartbeats, then its part of the model. Leader and
/// worker have the same; what differs is who makes the step plans. Calls come in the order of the methods here, one at a time.
/// </summary>
internal sealed class PlanRank : IDisposable
{
    /// <summary>One exchange between ranks; a rank that computes for longer than this is taken to be stuck.</summary>
    public static readonly TimeSpan OperationTimeout = TimeSpan.FromSeconds(120);

    // Ranks lag behind each other by some 50 us within a layer, and to be woken takes as long again, sixty times a token: where each has
    // its core they offer it for a while before they sleep (shared memory, two ranks on two cores: 142 tokens/s against 121).
    private static readonly WaitPolicy Patient = new(Pauses: 200, Yields: 200);

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);
    private readonly NodeServices _services;
    private readonly LinkListeners _listeners;
    private readonly byte[] _random = RandomNumberGenerator.GetBytes(LinkCipher.RandomBytes);
    private readonly Heartbeats _heartbeats;
    private readonly List<NetProcessGroup> _groups = [];
    private Device? _device;
    private CausalModel? _model;
    private ModelContext? _context;
    private bool _disposed;

    /// <summary>Opens the rank's listeners on an address of this machine.</summary>
    public PlanRank(PlanOffer offer, IPAddress address, NodeServices services)
    {
        (Offer, Layout, _services) = (offer, offer.Layout, services);
        if (Layout.WorldSize != offer.NodeNames.Length || (uint)offer.Rank >= (uint)Layout.WorldSize)
            throw new ClusterException($"plan {offer.Epoch}: rank {offer.Rank} and {offer.NodeNames.Length} nodes do not fit {Layout}");
        Timeline = offer.KeepsTimeline ? new StepTimeline() : null;
        _listeners = new LinkListeners(address, Layout.WorldSize - 1, offer.Links);
        _heartbeats = new Heartbeats(address, offer.Epoch, offer.Rank, Progress);
    }

    public PlanOffer Offer { get; }
    public SplitLayout Layout { get; }
    public ComputeProgress Progress { get; } = new();
    public StepTimeline? Timeline { get; }
    public PlanWatch Watch { get; } = new();
    public string OwnName => Offer.NodeNames[Offer.Rank];
    public IPEndPoint HeartbeatAddress => _heartbeats.EndPoint;
    public byte[] Random => _random;

    /// <summary>Connections by rank; null at the own one.</summary>
    public Transport?[] Transports { get; private set; } = [];

    /// <summary>All connections, as one thread drives them.</summary>
    public TransportSet? Set { get; private set; }

    /// <summary>Runs the rank's steps, once started.</summary>
    public RankRunner? Runner { get; private set; }

    public ModelConfig Config => _context!.Config;

    /// <summary>What the leader needs to know to arrange the connections.</summary>
    public PlanPromise Promise() => new()
    {
        HostId = HostId.Current,
        Address = $"{_listeners.Tcp.EndPoint}",
        SharedPaths = _listeners.SharedPaths,
        HeartbeatAddress = $"{HeartbeatAddress}",
        Random = _random,
    };

    /// <summary>
    /// Connects with every peer and brings the heartbeats up. A peer that goes down later is told to <paramref name="onDown"/>, on the
    /// heartbeats' thread.
    /// </summary>
    /// <exception cref="WireException">A peer is gone, or not in time.</exception>
    public void Connect(
        LinkOrder[] links, HeartbeatPeer[] peers, Action<HeartbeatPeer, string> onDown, int numRanksOnHost, CancellationToken cancel)
    {
        _heartbeats.Start(peers, onDown);
        Transports = PlanLinks.Connect(Offer, links, _listeners, Deadline.After(ConnectTimeout), cancel);
        _listeners.Dispose();
        Transport[] connected = [.. Transports.OfType<Transport>()];
        int numThreads = numRanksOnHost * Math.Max(1, Offer.Model.NumThreads);
        Set = new TransportSet(connected, numThreads <= Environment.ProcessorCount ? Patient : WaitPolicy.Sharing);
        _heartbeats.WaitUntilUp(ConnectTimeout, cancel);
    }

    /// <summary>Loads the rank's slices.</summary>
    public LoadedShard Load(IProgress<LoadProgress> progress, CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        string folder = _services.FindModel(Offer.Model.Model);
        _device = _services.CreateDevice(Offer.Model);
        var config = ModelConfig.Load(folder);
        var tensorGroup = Group(Layout.TensorGroupOf(Offer.Rank));
        var pipelineGroup = Group(Layout.PipelineGroupOf(Offer.Rank));
        var shard = new Shard(tensorGroup, Layout.Tensor, pipelineGroup, Layout.Pipeline);
        _context = new ModelContext(_device, config, shard, Offer.Model.Arithmetic);
        using var checkpoint = SafetensorsModel.Open(folder);
        _model = new CausalModel(_context, checkpoint, progress, cancel);
        return new LoadedShard(Offer.Model.CacheSize.NumPages(_context, _model), Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Makes the cache: as many pages as every rank has room for.</summary>
    public void Start(int numPages) => Runner = new RankRunner(_context!, _model!, numPages);

    /// <summary>Runs one step of this rank; fills the result on the last stage.</summary>
    public void Run(StepPlan plan, StepResult result)
    {
        long start = StepTimeline.Now;
        Progress.Place = ((uint)plan.StepNumber, 0);
        foreach (var group in _groups)
            group.BeginStep((uint)plan.StepNumber);
        Runner!.Run(plan, result);
        Timeline?.Add(plan.StepNumber, TimelineKind.Step, start, StepTimeline.Now);
    }

    /// <summary>How far a peer had come when it was last heard.</summary>
    public (uint Step, uint Operation) ProgressOf(int peer) => _heartbeats.ProgressOf(peer);

    /// <summary>Lets everything go. No call may be under way, nor may it be called from a heartbeat.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Watch.End($"plan {Offer.Epoch} is over");
        _heartbeats.Dispose();
        _listeners.Dispose();
        foreach (var group in _groups)
            group.Dispose();
        foreach (var transport in Transports)
            transport?.Dispose();
        if (Runner is not null)
            Runner.Dispose();
        else
            _model?.Dispose();
        _device?.Dispose();
        NativeHeap.ReturnFree();
        Watch.Dispose();
    }

    // Collectives of one stage, or the residual stream between stages; alone, there is nobody to talk to.
    private ProcessGroup Group(int[] ranks)
    {
        if (ranks.Length == 1)
            return new Solo();
        var transports = Array.ConvertAll(ranks, rank => Transports[rank]);
        var options = new ProcessGroupOptions { OperationTimeout = OperationTimeout };
        var group = new NetProcessGroup(Array.IndexOf(ranks, Offer.Rank), transports, Set!, options, Watch.Failed);
        _groups.Add(group);
        return new WatchedProcessGroup(group, Progress, Timeline);
    }
}
