using System.Net;
using Exo.Net.Cluster.Control;

namespace Exo.Net.Cluster;

/// <summary>
/// A process that lends itself to a leader: `exo worker`. It runs whatever rank it is offered, and when its leader is gone it says so on
/// its error stream; then it is free again.
/// </summary>
/// <param name="control">Who it is, and the cluster key.</param>
/// <param name="services">How it makes devices and finds models.</param>
/// <param name="errors">Where people read what went wrong.</param>
public sealed class Worker(ControlOptions control, NodeServices services, TextWriter errors)
{
    /// <summary>Dials a leader and serves it until it is gone.</summary>
    /// <exception cref="ControlHandshakeException">Not reached, or refused.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="NodeFailedException">The leader died; it is named here and on the error stream.</exception>
    public async Task ConnectAsync(EndPoint leader, CancellationToken token)
    {
        await using var connection = await ControlConnection.DialAsync(leader, control, token);
        if (await ServeAsync(connection, token) is { } failure)
            throw failure;
    }

    /// <summary>Serves the leaders that dial, one after the other, until cancelled.</summary>
    public async Task ListenAsync(ControlListener listener, CancellationToken token)
    {
        while (true)
        {
            await using var connection = await listener.AcceptAsync(token);
            await ServeAsync(connection, token);
        }
    }

    private async Task<NodeFailedException?> ServeAsync(ControlConnection leader, CancellationToken token)
    {
        await using var session = new WorkerSession(leader, services);
        string? what;
        try
        {
            what = await session.RunAsync(token);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            what = e.Message;
        }
        if (what is null)
            return null;
        await errors.WriteLineAsync($"{control.Identity.Name}: lost the leader, {leader}: {what}");
        return new NodeFailedException(leader.Remote.Name, what);
    }
}
