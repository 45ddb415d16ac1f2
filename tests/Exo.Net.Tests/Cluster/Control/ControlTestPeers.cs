using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Exo.Net.Cluster.Control;
using Xunit;

namespace Exo.Net.Tests.Cluster.Control;

/// <summary>An honest listener under attack, and what it refused.</summary>
internal sealed class ListenerUnderTest : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly BlockingCollection<ControlHandshakeException> _refusals = [];

    public ListenerUnderTest(ClusterKeys keys, Func<ControlOptions, ControlOptions>? adjust = null)
    {
        Keys = keys;
        var options = new ControlOptions(NodeIdentity.Create("listener"), keys) { HandshakeTimeout = Patience };
        options = adjust?.Invoke(options) ?? options;
        Listener = new ControlListener(new IPEndPoint(IPAddress.Loopback, 0), options) { Refused = _refusals.Add };
    }

    public ClusterKeys Keys { get; }
    public ControlListener Listener { get; }
    public IPEndPoint EndPoint => Listener.EndPoint;

    public ControlOptions HonestDialer => new(NodeIdentity.Create("dialer"), Keys) { HandshakeTimeout = Patience };

    public ControlHandshakeException NextRefusal() =>
        _refusals.TryTake(out var refusal, Patience) ? refusal : throw new TimeoutException("nothing was refused");

    /// <summary>Lets the listener's time pass until it refuses somebody.</summary>
    public ControlHandshakeException NextRefusal(ManualTime time)
    {
        for (var patience = Stopwatch.StartNew(); patience.Elapsed < Patience; time.Advance(TimeSpan.FromSeconds(1)))
        {
            if (_refusals.TryTake(out var refusal, TimeSpan.FromMilliseconds(5)))
                return refusal;
        }
        throw new TimeoutException("nothing was refused");
    }

    /// <summary>An honest peer comes, is accepted, and is called; so whatever came before did no harm.</summary>
    public async Task AssertUnharmedAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        await using var dialer = await ControlConnection.DialAsync(EndPoint, HonestDialer, deadline.Token);
        await using var accepted = await Listener.AcceptAsync(deadline.Token);
        Assert.Equal("dialer", accepted.Remote.Name);
        var opening = accepted.OpenRpcAsync(new Echo(), deadline.Token);
        using var caller = await dialer.OpenRpcAsync(null, deadline.Token);
        using var answerer = await opening;
        answerer.StartListening();
        caller.StartListening();
        Assert.Equal(42, await caller.InvokeWithCancellationAsync<int>("Same", [42], deadline.Token));
    }

    /// <summary>Takes and closes what got in; whatever was refused was refused for a reason foreseen.</summary>
    public async Task DrainAsync()
    {
        while (_refusals.TryTake(out var refusal))
            Assert.DoesNotContain(": failed:", refusal.Message, StringComparison.Ordinal);
        while (Listener.TryAccept(out var connection))
            await connection.DisposeAsync();
    }

    public ValueTask DisposeAsync() => Listener.DisposeAsync();

    internal sealed class Echo
    {
        public int Same(int value) => value;
    }
}

/// <summary>A peer that speaks TCP and TLS and then whatever a test wants.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private RawPeer(SslStream stream, byte[] serverCertificateHash) => (Stream, ServerCertificateHash) = (stream, serverCertificateHash);

    public SslStream Stream { get; }
    public byte[] ServerCertificateHash { get; }

    public static async Task<RawPeer> ConnectAsync(IPEndPoint address)
    {
        var (stream, hash) = await ControlTls.DialAsync(await ConnectTcpAsync(address), "the listener", CancellationToken.None);
        return new RawPeer(stream, hash);
    }

    public static async Task<NetworkStream> ConnectTcpAsync(IPEndPoint address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address);
        return new NetworkStream(socket, ownsSocket: true);
    }

    public async Task<byte[]> ReceiveAsync(int sizeBytes)
    {
        var bytes = new byte[sizeBytes];
        await Stream.ReadExactlyAsync(bytes);
        return bytes;
    }

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}

/// <summary>Accepts TCP connections on loopback and gives each to a function; ends with the test.</summary>
internal sealed class TcpTrap : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Task _serving;

    public TcpTrap(Func<NetworkStream, Task> serve)
    {
        _listener.Start();
        _serving = Task.Run(async () =>
        {
            while (true)
            {
                try
                {
                    var socket = await _listener.AcceptSocketAsync();
                    socket.NoDelay = true;
                    await using var stream = new NetworkStream(socket, ownsSocket: true);
                    await serve(stream);
                }
                catch (Exception e) when (e is IOException or ControlHandshakeException)
                {
                    // The victim hung up, as it should.
                }
                catch (Exception e) when (e is SocketException or InvalidOperationException) // stopped, or disposed
                {
                    return;
                }
            }
        });
    }

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Ends TLS with a certificate of its own and hands over the plaintext.</summary>
    public static TcpTrap WithTls(Func<SslStream, byte[], Task> serve)
    {
        var certificate = ControlTls.CreateCertificate();
        var context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
        return new TcpTrap(async tcp =>
        {
            await using var tls = await ControlTls.ListenAsync(tcp, context, "the dialer", CancellationToken.None);
            await serve(tls, ControlTls.HashOf(certificate));
        });
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _serving.WaitAsync(ListenerUnderTest.Patience);
        _listener.Dispose();
    }
}

/// <summary>A stream whose writes can be kept and changed on their way.</summary>
internal sealed class TappedStream(Stream inner, Func<byte[], byte[]>? change = null) : Stream
{
    public List<byte> Written { get; } = [];

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        byte[] bytes = change?.Invoke(buffer.ToArray()) ?? buffer.ToArray();
        Written.AddRange(bytes);
        await inner.WriteAsync(bytes, cancellationToken);
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(buffer, cancellationToken);
    public override void Flush() => throw new NotSupportedException();
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
}
