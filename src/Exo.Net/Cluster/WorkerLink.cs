using System.Net;
using Exo.Net.Cluster.Control;
using StreamJsonRpc;

namespace Exo.Net.Cluster;

/// <summary>
/// A leader's side of the control connection with one worker: calls with deadlines and the worker's name in every error. Its public
/// methods are what the worker calls.
/// </summary>
internal sealed class WorkerLink : IAsyncDisposable
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LoadTimeout = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan FarewellTimeout = TimeSpan.FromMilliseconds(500);
    private readonly ControlConnection _connection;
    private JsonRpc _rpc = null!;
    private CancellationTokenSource? _loading;

    private WorkerLink(ControlConnection connection) => _connection = connection;

    /// <summary>The worker's name.</summary>
    public string Name => _connection.Remote.Name;

    /// <summary>The address at which the worker sees this process.</summary>
    public IPAddress LocalAddress => _connection.LocalAddress;

    /// <summary>A secret shared with the worker alone.</summary>
    public byte[] DeriveSecret(string purpose) => _connection.DeriveDataSecret(purpose);

    /// <summary>Ends when the connection does.</summary>
    public Task Completion => _connection.Completion;

    /// <inheritdoc cref="ControlConnection.HasPeerClosed"/>
    public bool HasPeerClosed => _connection.HasPeerClosed;

    /// <summary>Told of the worker's failures in a plan.</summary>
    public Action<PlanFailure>? OnPlanFailed { get; set; }

    /// <summary>Told how far loading is.</summary>
    public IProgress<ShardProgress>? Loading { get; set; }

    /// <summary>Opens the rpc channel of a connection, which it owns from here on.</summary>
    public static async Task<WorkerLink> OpenAsync(ControlConnection connection, CancellationToken token)
    {
        var link = new WorkerLink(connection);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
        deadline.CancelAfter(CallTimeout);
        try
        {
            link._rpc = await connection.OpenRpcAsync(link, deadline.Token);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        link._rpc.StartListening();
        return link;
    }

    /// <summary>Called by the worker: it has ended a plan.</summary>
    public void PlanFailed(PlanFailure failure) => OnPlanFailed?.Invoke(failure);

    /// <summary>Called by the worker: it has loaded something more.</summary>
    public void ShardLoading(ShardProgress progress)
    {
        try
        {
            _loading?.CancelAfter(LoadTimeout);
        }
        catch (ObjectDisposedException)
        {
            return; // the last report, overtaken by the answer
        }
        Loading?.Report(progress);
    }

    public Task<PlanPromise> OfferAsync(PlanOffer offer, CancellationToken token) =>
        CallAsync<PlanPromise>(nameof(WorkerSession.OfferPlan), CallTimeout, token, offer);

    public Task ConnectAsync(PlanConnections connections, CancellationToken token) =>
        CallAsync<object?>(nameof(WorkerSession.ConnectPlan), CallTimeout, token, connections);

    /// <summary>Waits for as long as the worker reports progress.</summary>
    public async Task<LoadedShard> LoadAsync(uint epoch, CancellationToken token)
    {
        using var loading = CancellationTokenSource.CreateLinkedTokenSource(token);
        loading.CancelAfter(LoadTimeout);
        _loading = loading;
        try
        {
            return await CallAsync<LoadedShard>(nameof(WorkerSession.LoadPlan), Timeout.InfiniteTimeSpan, loading.Token, epoch);
        }
        catch (OperationCanceledException e) when (!token.IsCancellationRequested)
        {
            throw new NodeFailedException(Name, $"loaded nothing more for {LoadTimeout.TotalSeconds:0} s", e);
        }
    }

    public Task StartAsync(uint epoch, int numPages, CancellationToken token) =>
        CallAsync<object?>(nameof(WorkerSession.StartPlan), LoadTimeout, token, epoch, numPages);

    public Task<byte[]> ReadTimelineAsync(uint epoch, CancellationToken token) =>
        CallAsync<byte[]>(nameof(WorkerSession.ReadTimeline), CallTimeout, token, epoch);

    public Task<long> ClockAsync(CancellationToken token) => CallAsync<long>(nameof(WorkerSession.Clock), CallTimeout, token);

    /// <summary>Ends a plan there; false if the worker is gone or does not answer in time.</summary>
    public async Task<bool> EndPlanAsync(uint epoch, string why, TimeSpan timeout)
    {
        try
        {
            await CallAsync<object?>(nameof(WorkerSession.EndPlan), timeout, CancellationToken.None, epoch, why);
            return true;
        }
        catch (NodeFailedException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!Completion.IsCompleted)
        {
            try
            {
                await CallAsync<object?>(nameof(WorkerSession.Farewell), FarewellTimeout, CancellationToken.None);
            }
            catch (NodeFailedException)
            {
                // It is gone already, or stopped.
            }
        }
        _rpc.Dispose();
        await _connection.DisposeAsync();
    }

    private async Task<T> CallAsync<T>(string method, TimeSpan timeout, CancellationToken token, params object[] arguments)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
        deadline.CancelAfter(timeout);
        try
        {
            return await _rpc.InvokeWithCancellationAsync<T>(method, arguments, deadline.Token).WaitAsync(deadline.Token);
        }
        catch (RemoteInvocationException e)
        {
            throw new NodeFailedException(Name, e.Message, e);
        }
        catch (Exception e) when (e is ConnectionLostException or ObjectDisposedException or IOException)
        {
            throw new NodeFailedException(Name, "its control connection closed", e);
        }
        catch (OperationCanceledException e) when (!token.IsCancellationRequested)
        {
            throw new NodeFailedException(Name, $"expected an answer to {method} within {timeout.TotalSeconds:0} s, got none", e);
        }
    }
}
