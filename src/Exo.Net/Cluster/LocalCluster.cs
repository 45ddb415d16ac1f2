using System.Net;
using Exo.Net.Cluster.Control;

namespace Exo.Net.Cluster;

/// <summary>
/// Worker processes on this machine, and the leader over them in this process: `exo run --nodes N`. The key is drawn for the occasion.
/// Whatever was started is gone after disposing; nothing else is ever ended.
/// </summary>
public sealed class LocalCluster : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private readonly List<WorkerProcess> _processes = [];
    private readonly ControlOptions _control;
    private readonly Func<ControlListener, string, WorkerProcess> _start;

    private LocalCluster(ControlOptions control, NodeServices services, Func<ControlListener, string, WorkerProcess> start) =>
        (Leader, _control, _start) = (new ClusterLeader(control, services), control, start);

    /// <summary>Gives plans to the workers.</summary>
    public ClusterLeader Leader { get; }

    /// <summary>Process ids of the workers, by name.</summary>
    public IReadOnlyDictionary<string, int> ProcessIds => _processes.ToDictionary(process => process.Name, process => process.Id);

    /// <summary>Starts workers called worker-1, worker-2 ... and waits until all have proven the key.</summary>
    /// <param name="numWorkers">Processes to start; this one is a node of its own besides.</param>
    /// <param name="command">How to start one.</param>
    /// <param name="services">How this process makes its own rank.</param>
    /// <param name="onErrorLine">Gets the workers' error lines; null lets them through to this process's error stream.</param>
    /// <param name="token">Gives up.</param>
    /// <exception cref="NodeFailedException">A worker ended, or did not come in time.</exception>
    public static async Task<LocalCluster> StartAsync(
        int numWorkers, WorkerCommand command, NodeServices services, Action<string>? onErrorLine, CancellationToken token)
    {
        var key = ClusterKey.Create();
        var control = new ControlOptions(NodeIdentity.Create("leader"), new ClusterKeys(key));
        var cluster = new LocalCluster(
            control, services, (listener, name) => WorkerProcess.Start(command, $"{listener.EndPoint}", name, key, onErrorLine));
        try
        {
            await cluster.StartWorkersAsync(Enumerable.Range(1, numWorkers).Select(i => $"worker-{i}"), token);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts those workers again, under their names, that have ended or were given up.</summary>
    /// <exception cref="NodeFailedException">A worker ended, or did not come in time.</exception>
    public async Task RestoreAsync(CancellationToken token)
    {
        var living = Leader.Workers;
        WorkerProcess[] lost = [.. _processes.Where(process => !living.Contains(process.Name))];
        await Task.WhenAll(lost.Select(process => process.DisposeAsync().AsTask()));
        _processes.RemoveAll(lost.Contains);
        await StartWorkersAsync(lost.Select(process => process.Name), token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Leader.DisposeAsync();
        await Task.WhenAll(_processes.Select(process => process.DisposeAsync().AsTask()));
    }

    private async Task StartWorkersAsync(IEnumerable<string> names, CancellationToken token)
    {
        await using var listener = new ControlListener(new IPEndPoint(IPAddress.Loopback, 0), _control);
        foreach (string name in names)
            _processes.Add(_start(listener, name));
        await WaitForWorkersAsync(listener, _processes.Count, token);
    }

    private async Task WaitForWorkersAsync(ControlListener listener, int numWorkers, CancellationToken token)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
        deadline.CancelAfter(StartTimeout);
        var accepting = Leader.AcceptWorkersAsync(listener, numWorkers, deadline.Token);
        Task[] exits = [.. _processes.Select(process => process.Exited)];
        var first = await Task.WhenAny([accepting, .. exits]);
        if (first != accepting)
        {
            await deadline.CancelAsync();
            await Task.WhenAny(accepting);
            throw new NodeFailedException(_processes[Array.IndexOf(exits, first)].Name, "its process ended before it had joined");
        }
        try
        {
            await accepting;
        }
        catch (OperationCanceledException e) when (!token.IsCancellationRequested)
        {
            string missing = _processes.Select(process => process.Name).Except(Leader.Workers).FirstOrDefault("a worker");
            throw new NodeFailedException(missing, $"did not join within {StartTimeout.TotalSeconds:0} s", e);
        }
    }
}
