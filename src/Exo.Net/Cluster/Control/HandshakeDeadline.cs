using System.Net.Sockets;

namespace Exo.Net.Cluster.Control;

/// <summary>One place that turns everything that may go wrong while a connection is made into a refusal, and closes its socket.</summary>
internal static class HandshakeDeadline
{
    /// <summary>Runs <paramref name="establish"/> under a deadline; on any failure the socket is closed.</summary>
    /// <exception cref="ControlHandshakeException">Refused, stalled, closed.</exception>
    /// <exception cref="OperationCanceledException">The caller's <paramref name="token"/>, not the deadline.</exception>
    public static async Task<T> RunAsync<T>(
        ControlOptions options, string peer, Socket socket, Func<CancellationToken, Task<T>> establish, CancellationToken token)
    {
        var timeout = options.HandshakeTimeout;
        using var over = new CancellationTokenSource(timeout, options.Time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(token, over.Token);
        try
        {
            return await establish(deadline.Token);
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is ControlHandshakeException)
                throw;
            if (token.IsCancellationRequested)
                throw new OperationCanceledException($"control connection with {peer}: cancelled", e, token);
            if (deadline.IsCancellationRequested)
            {
                throw new ControlHandshakeException(HandshakeRefusal.Stalled, peer,
                    $"expected the handshake within {timeout.TotalSeconds:0.###} s, got silence", e);
            }
            if (e is IOException or SocketException or ObjectDisposedException)
                throw new ControlHandshakeException(HandshakeRefusal.Closed, peer, $"expected a handshake, got: {e.Message}", e);
            throw;
        }
    }
}
