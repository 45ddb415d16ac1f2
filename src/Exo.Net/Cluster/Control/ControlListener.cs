using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;

namespace Exo.Net.Cluster.Control;

/// <summary>
/// Accepts control connections. Whatever a peer does before it has proven the key costs this process one of a bounded number of pending
/// handshakes, for at most a deadline, and one refusal told to <see cref="Refused"/>; it never ends the listener.
/// </summary>
public sealed class ControlListener : IAsyncDisposable
{
    private static readonly TimeSpan PauseAfterAcceptError = TimeSpan.FromMilliseconds(100);
    private readonly ControlOptions _options;
    private readonly Socket _socket;
    private readonly X509Certificate2 _certificate;
    private readonly SslStreamCertificateContext _certificateContext;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<ControlConnection> _ready;
    private readonly LinkedList<Pending> _pending = [];
    private readonly Task _accepting;

    /// <summary>Listens at once. Port 0 takes a free one; see <see cref="EndPoint"/>.</summary>
    /// <exception cref="SocketException">The address is taken or not this machine's.</exception>
    public ControlListener(IPEndPoint address, ControlOptions options)
    {
        _options = options;
        _ready = Channel.CreateBounded<ControlConnection>(options.MaxReadyConnections);
        _socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            _socket.Bind(address);
            _socket.Listen(options.MaxPendingHandshakes);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
        _certificate = ControlTls.CreateCertificate();
        _certificateContext = SslStreamCertificateContext.Create(_certificate, additionalCertificates: null, offline: true);
        _accepting = Task.Run(AcceptLoopAsync);
    }

    /// <summary>Called for each connection that was not made, on a thread of the pool; it must not throw.</summary>
    public Action<ControlHandshakeException>? Refused { get; set; }

    /// <summary>Where it listens.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>Handshakes under way.</summary>
    public int NumPendingHandshakes
    {
        get
        {
            lock (_pending)
                return _pending.Count;
        }
    }

    /// <summary>The next connection whose peer has proven the key; the caller owns it.</summary>
    /// <exception cref="ChannelClosedException">The listener is disposed.</exception>
    public ValueTask<ControlConnection> AcceptAsync(CancellationToken token) => _ready.Reader.ReadAsync(token);

    /// <summary>Takes a connection if one is ready.</summary>
    public bool TryAccept([NotNullWhen(true)] out ControlConnection? connection) => _ready.Reader.TryRead(out connection);

    /// <summary>Stops, drops the handshakes under way and closes the connections that nobody took.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _socket.Dispose();
        await _accepting;
        Task[] running;
        lock (_pending)
            running = [.. _pending.Select(pending => pending.Done)];
        await Task.WhenAll(running);
        _ready.Writer.TryComplete();
        while (_ready.Reader.TryRead(out var connection))
            await connection.DisposeAsync();
        _certificate.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptLoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var socket = await _socket.AcceptAsync(_stop.Token);
                socket.NoDelay = true;
                Start(socket);
            }
            catch (SocketException) when (!_stop.IsCancellationRequested)
            {
                // The peer took it back, or descriptors ran out: neither is a reason to stop, the second one to wait for some to come free.
                await Task.Delay(PauseAfterAcceptError);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                return;
            }
        }
    }

    private void Start(Socket socket)
    {
        var pending = new Pending(CancellationTokenSource.CreateLinkedTokenSource(_stop.Token));
        LinkedListNode<Pending> place;
        Pending? oldest = null;
        lock (_pending)
        {
            if (_pending.Count >= _options.MaxPendingHandshakes)
            {
                oldest = _pending.First!.Value;
                _pending.RemoveFirst();
            }
            place = _pending.AddLast(pending);
        }
        oldest?.Drop();
        pending.Done = Task.Run(() => HandshakeAsync(socket, place));
    }

    private async Task HandshakeAsync(Socket socket, LinkedListNode<Pending> place)
    {
        var pending = place.Value;
        string peer = "a peer that is gone";
        try
        {
            peer = $"{socket.RemoteEndPoint}";
            var connection = await ControlConnection.AcceptAsync(socket, _certificateContext, _options, pending.Token);
            if (!_ready.Writer.TryWrite(connection))
            {
                await connection.DisposeAsync();
                Tell(new ControlHandshakeException(HandshakeRefusal.Overloaded, peer,
                    $"{_options.MaxReadyConnections} connections wait to be taken"));
            }
        }
        catch (ControlHandshakeException e)
        {
            Tell(e);
        }
        catch (OperationCanceledException e)
        {
            if (!_stop.IsCancellationRequested)
            {
                Tell(new ControlHandshakeException(HandshakeRefusal.Overloaded, peer,
                    $"dropped for a newer one: more than {_options.MaxPendingHandshakes} handshakes at once", e));
            }
        }
        catch (Exception e)
        {
            // Nothing that a peer sends may end the listener; what was not foreseen is told, not swallowed.
            socket.Dispose();
            Tell(new ControlHandshakeException(HandshakeRefusal.Closed, peer, $"failed: {e.Message}", e));
        }
        finally
        {
            lock (_pending)
            {
                if (place.List is not null)
                    _pending.Remove(place);
            }
            pending.Dispose();
        }
    }

    private void Tell(ControlHandshakeException refusal) => Refused?.Invoke(refusal);

    // One handshake under way. It may end by itself while the accept loop drops it, hence the lock.
    private sealed class Pending(CancellationTokenSource source) : IDisposable
    {
        private readonly Lock _lock = new();
        private bool _over;

        public CancellationToken Token { get; } = source.Token;
        public Task Done { get; set; } = Task.CompletedTask;

        public void Drop()
        {
            lock (_lock)
            {
                if (!_over)
                    source.Cancel();
            }
        }

        public void Dispose()
        {
            lock (_lock)
            {
                _over = true;
                source.Dispose();
            }
        }
    }
}
