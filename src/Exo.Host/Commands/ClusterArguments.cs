using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;
using Exo.Net.Cluster.Control;

namespace Exo.Host.Commands;

/// <summary>
/// The options by which a model is run over several nodes: worker processes that this one starts (--nodes), or workers on other machines,
/// dialled (--worker) or waited for (--wait-for-workers).
/// </summary>
internal sealed class ClusterArguments
{
    private readonly Option<int> _nodes = new("--nodes") { Description = "Nodes, this process included.", DefaultValueFactory = _ => 1 };
    private readonly Option<string> _split = new("--split")
    {
        Description = "tensor, pipeline, 2x2 (tensor x pipeline), or ratios as in tensor:5:3:1.",
        DefaultValueFactory = _ => "tensor",
    };

    private readonly Option<string[]> _workers = new("--worker") { Description = "Address of a worker that listens; may be repeated.", DefaultValueFactory = _ => [] };
    private readonly Option<string?> _waitAt = new("--wait-for-workers") { Description = "Address at which to wait for the nodes' workers to dial." };
    private readonly Option<string?> _keyFile = new("--key-file") { Description = "The cluster's key; made on first use. Needed with workers on other machines." };
    private readonly Option<LinkChoice> _links = new("--links") { Description = "Automatic: shared memory on one machine, TCP between machines." };
    private readonly Option<bool> _trusted = new("--trusted-links") { Description = "Does not encrypt data between nodes." };
    private readonly Option<string?> _timeline = new("--timeline") { Description = "Writes what each node did, token by token, as a Chrome trace." };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _nodes, _split, _workers, _waitAt, _keyFile, _links, _trusted, _timeline }) command.Options.Add(option);
    }

    /// <summary>Where the timeline is to be written, or null.</summary>
    public string? Timeline(ParseResult arguments) => arguments.GetValue(_timeline);

    /// <summary>True where more than this process computes.</summary>
    public bool IsAsked(ParseResult arguments) => arguments.GetValue(_nodes) > 1 || arguments.GetValue(_workers)!.Length > 0;

    /// <summary>Compute threads of each node where none are given: nodes that this process starts share its cores; others use their own.</summary>
    public int ThreadsOfANode(ParseResult arguments) => arguments.GetValue(_workers)!.Length > 0 || arguments.GetValue(_waitAt) is not null
        ? 0
        : Math.Max(1, Environment.ProcessorCount / arguments.GetValue(_nodes));

    /// <summary>Gathers the workers, splits the model over them, and makes the engine.</summary>
    public async Task<LoadedEngine> LoadAsync(
        ParseResult arguments, RankModel model, EngineOptions options, Func<ModelRunner, ModelRunner> watch, Action<string, int, int> report,
        CancellationToken cancellation)
    {
        string[] addresses = arguments.GetValue(_workers)!;
        int numNodes = addresses.Length > 0 ? addresses.Length + 1 : arguments.GetValue(_nodes);
        ModelText text = ModelText.Load(ModelLocator.Find(model.Model));
        var request = new PlanRequest(model, SplitLayout.Parse(arguments.GetValue(_split)!, numNodes))
        {
            Links = arguments.GetValue(_links),
            Seal = arguments.GetValue(_trusted) ? LinkSeal.Trusted : LinkSeal.Encrypted,
            KeepsTimeline = arguments.GetValue(_timeline) is not null,
        };
        Gathered nodes = await GatherAsync(arguments, addresses, numNodes, cancellation);
        try
        {
            var progress = new LoadReport(shard => report(shard.Node, shard.Done, shard.Total));
            ClusterRunner first = await nodes.Leader.StartPlanAsync(request, progress, cancellation);
            var runner = new RecoveringRunner(first, PlanAgainAsync, cancellation);
            return new LoadedEngine(new Engine(watch(runner), text, options), runner, nodes.Owner);
        }
        catch
        {
            await nodes.Owner.DisposeAsync();
            throw;
        }

        async Task<ClusterRunner> PlanAgainAsync(CancellationToken token)
        {
            await nodes.RestoreAsync(token);
            return await nodes.Leader.StartPlanAsync(request, null, token);
        }
    }

    /// <summary>How a node of this program finds models and makes devices.</summary>
    public static NodeServices Services { get; } = new(
        rank => rank.Device == "cpu" ? CpuDevice.Create(rank.NumThreads > 0 ? rank.NumThreads : null) : throw new ClusterException($"no device is called {rank.Device}"),
        ModelLocator.Find);

    /// <summary>A leader that has its workers, who lets all of them go, and how those that were lost are brought back.</summary>
    private sealed record Gathered(ClusterLeader Leader, IAsyncDisposable Owner, Func<CancellationToken, Task> RestoreAsync);

    private async Task<Gathered> GatherAsync(
        ParseResult arguments, string[] addresses, int numNodes, CancellationToken cancellation)
    {
        string? waitAt = arguments.GetValue(_waitAt);
        if (addresses.Length == 0 && waitAt is null)
        {
            LocalCluster cluster = await LocalCluster.StartAsync(numNodes - 1, WorkerCommand.Self("worker"), Services, onErrorLine: null, cancellation);
            return new Gathered(cluster.Leader, cluster, cluster.RestoreAsync);
        }
        string keyFile = arguments.GetValue(_keyFile) ?? throw new ClusterException("--key-file: needed with workers that this process does not start");
        var control = new ControlOptions(NodeIdentity.Create($"{Environment.MachineName}-leader"), ClusterKeyFile.ReadOrCreate(keyFile));
        var leader = new ClusterLeader(control, Services);
        try
        {
            foreach (string address in addresses) await leader.DialWorkerAsync(Addresses.Parse("--worker", address), cancellation);
            if (waitAt is null) return new Gathered(leader, leader, leader.RedialWorkersAsync);
            await using ControlListener listener = Addresses.Listen("--wait-for-workers", waitAt, control);
            await Console.Error.WriteLineAsync($"waiting for {numNodes - 1 - leader.Workers.Count} workers at {listener.EndPoint}");
            await leader.AcceptWorkersAsync(listener, numNodes - 1, cancellation);
            // Those that dialled end with the plan; only somebody who starts them again brings them back.
            return new Gathered(leader, leader, leader.RedialWorkersAsync);
        }
        catch
        {
            await leader.DisposeAsync();
            throw;
        }
    }

    private sealed class LoadReport(Action<ShardProgress> report) : IProgress<ShardProgress>
    {
        public void Report(ShardProgress value) => report(value);
    }
}

/// <summary>Addresses on command lines.</summary>
internal static class Addresses
{
    public static IPEndPoint Parse(string option, string text) => IPEndPoint.TryParse(text, out IPEndPoint? address)
        ? address
        : throw new ModelException($"{option} {text}: expected ADDRESS:PORT");

    public static ControlListener Listen(string option, string text, ControlOptions control)
    {
        IPEndPoint address = Parse(option, text);
        try
        {
            return new ControlListener(address, control);
        }
        catch (SocketException e)
        {
            throw new ClusterException($"{option} {text}: {e.Message}", e);
        }
    }
}
