using System.Net;
using Exo.Kernels;
using Exo.Net.Cluster;
using Exo.Net.Cluster.Control;

namespace Exo.Net.Tests.Cluster;

/// <summary>A leader and workers that are tasks of this process: everything is real but the processes.</summary>
internal sealed class InProcessCluster : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _workers = [];

    private InProcessCluster(ControlOptions control) => Leader = new ClusterLeader(control, Services);

    public static NodeServices Services { get; } = new(
        model => model.Device == "reference" ? new ReferenceDevice() : CpuDevice.Create(Math.Max(1, model.NumThreads)), folder => folder);

    public ClusterLeader Leader { get; }
    public StringWriter Errors { get; } = new();

    public static async Task<InProcessCluster> StartAsync(int numWorkers)
    {
        var keys = new ClusterKeys(ClusterKey.Create());
        var control = new ControlOptions(NodeIdentity.Create("leader"), keys);
        var cluster = new InProcessCluster(control);
        await using var listener = new ControlListener(new IPEndPoint(IPAddress.Loopback, 0), control);
        for (int i = 1; i <= numWorkers; i++)
        {
            var worker = new Worker(new ControlOptions(NodeIdentity.Create(
                $"worker-{i}"), keys), Services, TextWriter.Synchronized(cluster.Errors));
            cluster._workers.Add(Task.Run(() => worker.ConnectAsync(listener.EndPoint, cluster._stop.Token)));
        }
        using var deadline = new CancellationTokenSource(Patience);
        await cluster.Leader.AcceptWorkersAsync(listener, numWorkers, deadline.Token);
        return cluster;
    }

    /// <summary>Ends all workers as if their processes were killed.</summary>
    public Task KillWorkersAsync() => _stop.CancelAsync();

    public async ValueTask DisposeAsync()
    {
        await Leader.DisposeAsync();
        await Task.WhenAny(Task.WhenAll(_workers), Task.Delay(Patience));
        await _stop.CancelAsync();
        foreach (var worker in _workers)
            await Task.WhenAny(worker).WaitAsync(Patience);
        _stop.Dispose();
    }
}
