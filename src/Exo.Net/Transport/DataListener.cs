using System.Net;
using System.Net.Sockets;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>Accepts data connections, over TCP or a Unix socket, and sorts them by their tickets; strangers are closed.</summary>
public sealed class DataListener : IDisposable
{
    private const int Backlog = 64;
    private const int MaxStrangers = 64;
    private readonly Socket _listener;
    private readonly Poller _poller = new(1 + MaxStrangers);
    private readonly List<Stranger> _strangers = [];

    private DataListener(Socket listener) => _listener = listener;

    /// <summary>The address that it listens on.</summary>
    public EndPoint EndPoint => _listener.LocalEndPoint!;

    /// <summary>Listens on a TCP address; port 0 takes a free one.</summary>
    public static DataListener Tcp(IPEndPoint address) =>
        Listen(new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp), address);

    internal static DataListener Unix(string path) =>
        Listen(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), new UnixDomainSocketEndPoint(path));

    /// <summary>Dials a listener and shows the ticket.</summary>
    /// <exception cref="WireException">Refused, unreachable, or not in time.</exception>
    public static Socket Dial(string peer, EndPoint address, LinkTicket ticket, Deadline deadline, CancellationToken cancel)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, address is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            limit.CancelAfter(deadline.Remaining);
            socket.ConnectAsync(address, limit.Token).AsTask().Wait(CancellationToken.None);
            if (address is IPEndPoint) socket.NoDelay = true;
            SetupIo.SendAll(socket, ticket.Bytes, peer, deadline);
            return socket;
        }
        catch (AggregateException error)
        {
            socket.Dispose();
            cancel.ThrowIfCancellationRequested();
            if (error.InnerException is SocketException refused) throw new PeerClosedException(peer, $"before it began ({refused.SocketErrorCode} at {address})");
            throw new WireTimeoutException(peer, $"{address} was dialled");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Waits for a connection that shows one of the tickets; gives it and the ticket's index. Whoever has connected may take until the
    /// deadline to show its ticket (its machine may be busy), and keeps nobody else waiting.
    /// </summary>
    /// <exception cref="WireTimeoutException">None came in time.</exception>
    public (Socket Socket, int Index) Accept(string peer, IReadOnlyList<LinkTicket> tickets, Deadline deadline, CancellationToken cancel)
    {
        const int sliceMs = 20;
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            if (deadline.IsPast) throw new WireTimeoutException(peer, $"{EndPoint} waited for its connection");
            _poller.Clear();
            _poller.Add(_listener.Handle, PollInterest.Read);
            foreach (Stranger stranger in _strangers) _poller.Add(stranger.Socket.Handle, PollInterest.Read);
            if (!_poller.Wait(deadline.RemainingMs(sliceMs))) continue;
            for (int i = _strangers.Count - 1; i >= 0; i--)
            {
                Stranger stranger = _strangers[i];
                if (!_poller.IsReady(i + 1) || !stranger.ReadTicket()) continue;
                _strangers.RemoveAt(i);
                int index = IndexOf(tickets, stranger.Ticket);
                if (index >= 0) return (stranger.Socket, index);
                stranger.Socket.Dispose();
            }
            if (!_poller.IsReady(0)) continue;
            if (_strangers.Count == MaxStrangers) DropOldest();
            _strangers.Add(new Stranger(_listener.Accept()));
        }
    }

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        _listener.Dispose();
        while (_strangers.Count > 0) DropOldest();
    }

    private void DropOldest()
    {
        _strangers[0].Socket.Dispose();
        _strangers.RemoveAt(0);
    }

    private static DataListener Listen(Socket socket, EndPoint address)
    {
        try
        {
            socket.Bind(address);
            socket.Listen(Backlog);
            return new DataListener(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static int IndexOf(IReadOnlyList<LinkTicket> tickets, ReadOnlySpan<byte> shown)
    {
        for (int i = 0; i < tickets.Count; i++)
        {
            if (tickets[i].Equals(shown)) return i;
        }
        return -1;
    }

    /// <summary>A connection that has not shown its ticket yet.</summary>
    private sealed class Stranger(Socket socket)
    {
        private readonly byte[] _ticket = new byte[LinkTicket.Size];
        private int _numBytes;

        public Socket Socket => socket;

        /// <summary>What it has shown; all zero, which is no ticket, if it left before.</summary>
        public ReadOnlySpan<byte> Ticket => _ticket;

        /// <summary>Reads what has come; true once the ticket is whole, or will never be.</summary>
        public bool ReadTicket()
        {
            int received = socket.Receive(_ticket.AsSpan(_numBytes), SocketFlags.None, out SocketError error);
            if (error == SocketError.Success && received > 0) return (_numBytes += received) == LinkTicket.Size;
            Array.Clear(_ticket);
            return true;
        }
    }
}
