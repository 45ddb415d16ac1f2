using System.Net;
using System.Net.Sockets;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>Accepts data connections, over TCP or a Unix socket, and sorts them by their tickets; strangers are closed.</summary>
public sealed class DataListener : IDisposable
{
    private const int Backlog = 64;
    private static readonly TimeSpan TicketTimeout = TimeSpan.FromSeconds(1);
    private readonly Socket _listener;
    private readonly Poller _poller = new(1);

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

    /// <summary>Waits for a connection that shows one of the tickets; gives it and the ticket's index.</summary>
    /// <exception cref="WireTimeoutException">None came in time.</exception>
    public (Socket Socket, int Index) Accept(string peer, IReadOnlyList<LinkTicket> tickets, Deadline deadline, CancellationToken cancel)
    {
        const int sliceMs = 20;
        Span<byte> shown = stackalloc byte[LinkTicket.Size];
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            if (deadline.IsPast) throw new WireTimeoutException(peer, $"{EndPoint} waited for its connection");
            _poller.Clear();
            _poller.Add(_listener.Handle, PollInterest.Read);
            if (!_poller.Wait(deadline.RemainingMs(sliceMs))) continue;
            Socket socket = _listener.Accept();
            int index = ReadTicket(socket, shown, peer) ? IndexOf(tickets, shown) : -1;
            if (index >= 0) return (socket, index);
            socket.Dispose();
        }
    }

    /// <summary>Stops listening.</summary>
    public void Dispose() => _listener.Dispose();

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

    private static bool ReadTicket(Socket socket, Span<byte> ticket, string peer)
    {
        try
        {
            SetupIo.ReceiveAll(socket, ticket, peer, Deadline.After(TicketTimeout));
            return true;
        }
        catch (WireException)
        {
            return false;
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
}
