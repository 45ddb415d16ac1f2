using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Nerdbank.Streams;
using StreamJsonRpc;

namespace Exo.Net.Cluster.Control;

/// <summary>
/// A connection between two nodes that have proven the cluster key to each other, bound to this very TLS connection. It carries many
/// channels; one, "rpc", is for remote procedure calls both ways. Either side may have dialled; nothing but <see cref="Role"/> tells.
/// </summary>
public sealed class ControlConnection : IAsyncDisposable
{
    private const string RpcChannel = "rpc";
    // Time for the last words on a healthy connection; a peer that takes no bytes gets no more.
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(1);
    private readonly MultiplexingStream _channels;
    private readonly Socket _socket;
    private readonly byte[] _sessionSecret;

    private ControlConnection(MultiplexingStream channels, HandshakeResult handshake, ControlRole role, Socket socket, EndPoint remote,
        EndPoint local)
    {
        (_channels, _socket, _sessionSecret) = (channels, socket, handshake.SessionSecret);
        (Remote, Version, Role) = (handshake.Remote, handshake.Version, role);
        RemoteEndPoint = Plain(remote);
        LocalAddress = Plain(local).Address;
    }

    /// <summary>The peer; its ids are proven, its name is what it says.</summary>
    public NodeIdentity Remote { get; }

    /// <summary>The protocol version that both speak.</summary>
    public int Version { get; }

    /// <summary>Which end this is.</summary>
    public ControlRole Role { get; }

    /// <summary>The peer's address.</summary>
    public IPEndPoint RemoteEndPoint { get; }

    /// <summary>The address of this machine at which the peer sees this process.</summary>
    public IPAddress LocalAddress { get; }

    /// <summary>Ends when the connection does; faulted if it broke.</summary>
    public Task Completion => _channels.Completion;

    /// <summary>
    /// True once the peer's end of the TCP connection is known to be closed. Asked of the kernel, so it is true before anything has read
    /// the end from the stream, which on a busy machine takes several threads their turn. Linux alone can tell; elsewhere false.
    /// </summary>
    public bool HasPeerClosed
    {
        get
        {
            const int tcpLevel = 6, tcpInfo = 11; // IPPROTO_TCP, TCP_INFO: its first byte is the connection's state
            const byte closed = 7, closeWait = 8, lastAck = 9, closing = 11;
            if (!OperatingSystem.IsLinux())
                return false;
            Span<byte> info = stackalloc byte[104];
            try
            {
                return _socket.GetRawSocketOption(tcpLevel, tcpInfo, info) > 0 && info[0] is closed or closeWait or lastAck or closing;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return true; // closed at this end
            }
        }
    }

    /// <summary>Connects to a listener and proves the key, within <see cref="ControlOptions.HandshakeTimeout"/>.</summary>
    /// <exception cref="ControlHandshakeException">Not reached, or refused by either side.</exception>
    public static async Task<ControlConnection> DialAsync(EndPoint address, ControlOptions options, CancellationToken token = default)
    {
        // A host name may stand for several addresses of both families; the socket without a family tries them all.
        var socket = address is IPEndPoint or DnsEndPoint
            ? new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }
            : throw new ArgumentException($"expected an IP address or a host name with a port, got {address}");
        string peer = address is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : $"{address}";
        return await HandshakeDeadline.RunAsync(options, peer, socket, async deadline =>
        {
            await socket.ConnectAsync(address, deadline);
            var (tls, hash) = await ControlTls.DialAsync(new NetworkStream(socket, ownsSocket: true), peer, deadline);
            return await EstablishAsync(tls, ControlRole.Dialer, hash, options, peer, socket, deadline);
        }, token);
    }

    /// <summary>The listener's half, for a socket just accepted.</summary>
    internal static Task<ControlConnection> AcceptAsync(
        Socket socket, SslStreamCertificateContext certificate, ControlOptions options, CancellationToken token)
    {
        string peer = $"{socket.RemoteEndPoint}";
        return HandshakeDeadline.RunAsync(options, peer, socket, async deadline =>
        {
            var tls = await ControlTls.ListenAsync(new NetworkStream(socket, ownsSocket: true), certificate, peer, deadline);
            byte[] hash = ControlTls.HashOf(certificate.TargetCertificate);
            return await EstablishAsync(tls, ControlRole.Listener, hash, options, peer, socket, deadline);
        }, token);
    }

    /// <summary>
    /// Opens the rpc channel and answers the peer's calls from <paramref name="target"/> (its public methods). Both sides call it once.
    /// The caller sets what else it needs and then calls <see cref="JsonRpc.StartListening"/>; disposing it closes the channel.
    /// </summary>
    public async Task<JsonRpc> OpenRpcAsync(object? target, CancellationToken token)
    {
        var channel = await OpenChannelAsync(RpcChannel, token);
        var rpc = new JsonRpc(new LengthHeaderMessageHandler(channel, new SystemTextJsonFormatter()));
        if (target is not null)
            rpc.AddLocalRpcTarget(target, new JsonRpcTargetOptions { DisposeOnDisconnect = false });
        return rpc;
    }

    /// <summary>Opens a raw channel of bytes; both sides name it alike, and each gets its end when the other has come too.</summary>
    public async Task<MultiplexingStream.Channel> OpenChannelAsync(string name, CancellationToken token) => Role == ControlRole.Dialer
        ? await _channels.OfferChannelAsync(name, token)
        : await _channels.AcceptChannelAsync(name, token);

    /// <summary>
    /// A secret that exactly the two ends of this connection can derive, for keys outside of it: HKDF-SHA256(session, purpose), 32 bytes.
    /// Both ends get the same for the same purpose; another purpose, or another connection between the same nodes, gives another.
    /// </summary>
    /// <param name="purpose">What it is for, all of it: plan, epoch, group, both ranks.</param>
    public byte[] DeriveDataSecret(string purpose) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _sessionSecret, 32, info: Encoding.UTF8.GetBytes("exo data 1 " + purpose));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        var closing = _channels.DisposeAsync().AsTask();
        await Task.WhenAny(closing, Task.Delay(CloseTimeout));
        _socket.Dispose();
        await Task.WhenAny(closing, Task.Delay(CloseTimeout));
        CryptographicOperations.ZeroMemory(_sessionSecret);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Remote.Name} at {RemoteEndPoint}";

    private static async Task<ControlConnection> EstablishAsync(
        SslStream tls, ControlRole role, byte[] certificateHash, ControlOptions options, string peer, Socket socket,
        CancellationToken token)
    {
        var handshake = await ControlHandshake.RunAsync(tls, role, certificateHash, options, peer, token);
        // Asked before the channels read, and close the socket if the peer has left already.
        var (remote, local) = (socket.RemoteEndPoint!, socket.LocalEndPoint!);
        // Version 3 has no exchange of its own: the handshake above has agreed on everything.
        var channels = await MultiplexingStream.CreateAsync(tls, new MultiplexingStream.Options { ProtocolMajorVersion = 3 }, token);
        return new ControlConnection(channels, handshake, role, socket, remote, local);
    }

    // A socket for both families shows IPv4 addresses in IPv6 dress.
    private static IPEndPoint Plain(EndPoint address)
    {
        var ip = (IPEndPoint)address;
        return ip.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(ip.Address.MapToIPv4(), ip.Port) : ip;
    }
}
