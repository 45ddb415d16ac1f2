using System.Net.Sockets;
using System.Security.Cryptography;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// 32 random bytes, agreed on the control connection, that the dialer of a data connection sends first: they tell the listener
/// which pair, plan and group the connection is for. They travel in the clear and prove nothing; the frames' seal does.
/// </summary>
public sealed class LinkTicket
{
    /// <summary>Bytes of a ticket.</summary>
    public const int Size = 32;

    private readonly byte[] _bytes;

    public LinkTicket(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size) throw new ArgumentException($"expected a ticket of {Size} bytes, got {bytes.Length}", nameof(bytes));
        _bytes = bytes.ToArray();
    }

    /// <summary>The 32 bytes.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>A fresh one.</summary>
    public static LinkTicket Create() => new(RandomNumberGenerator.GetBytes(Size));

    internal bool Equals(ReadOnlySpan<byte> bytes) => CryptographicOperations.FixedTimeEquals(_bytes, bytes);
}

/// <summary>Blocking exchanges of a few bytes while a data connection is set up.</summary>
internal static class SetupIo
{
    public static void SendAll(Socket socket, ReadOnlySpan<byte> bytes, string peer, Deadline deadline)
    {
        socket.SendTimeout = Math.Max(1, deadline.RemainingMs(int.MaxValue));
        while (!bytes.IsEmpty)
        {
            int sent = socket.Send(bytes, SocketFlags.None, out SocketError error);
            if (error == SocketError.TimedOut) throw new WireTimeoutException(peer, "a connection was set up");
            if (error != SocketError.Success) throw new PeerClosedException(peer, $"during setup ({error})");
            bytes = bytes[sent..];
        }
    }

    public static void ReceiveAll(Socket socket, Span<byte> bytes, string peer, Deadline deadline)
    {
        while (!bytes.IsEmpty)
        {
            if (deadline.IsPast) throw new WireTimeoutException(peer, "a connection was set up");
            socket.ReceiveTimeout = Math.Max(1, deadline.RemainingMs(int.MaxValue));
            int received = socket.Receive(bytes, SocketFlags.None, out SocketError error);
            if (error is SocketError.TimedOut or SocketError.WouldBlock) throw new WireTimeoutException(peer, "a connection was set up");
            if (error != SocketError.Success || received == 0) throw new PeerClosedException(peer, $"during setup ({error})");
            bytes = bytes[received..];
        }
    }
}
