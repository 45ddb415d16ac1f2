using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using Exo.Net.Cluster.Control;
using Xunit;

namespace Exo.Net.Tests.Cluster.Control;

/// <summary>Every hostile peer is refused by its own name, and the listener answers the next honest one as if nothing had been.</summary>
public sealed class HostilePeerTests
{
    private static readonly ClusterKeys Keys = new(ClusterKey.Create());

    [Fact]
    public async Task Peer_with_a_wrong_key_is_refused_and_told()
    {
        await using var listener = new ListenerUnderTest(Keys);
        var options = listener.HonestDialer with { Keys = new ClusterKeys(ClusterKey.Create()) };
        var atDialer = await Assert.ThrowsAsync<ControlHandshakeException>(() => ControlConnection.DialAsync(listener.EndPoint, options));
        Assert.Equal(HandshakeRefusal.WrongKey, atDialer.Refusal);
        Assert.Equal(HandshakeRefusal.WrongKey, listener.NextRefusal().Refusal);
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Peer_without_a_key_is_refused_and_told()
    {
        await using var listener = new ListenerUnderTest(Keys);
        await using (var peer = await RawPeer.ConnectAsync(listener.EndPoint))
        {
            await peer.Stream.WriteAsync(new Hello(VersionRange.Supported, ControlRole.Dialer, new byte[32]).Format());
            var theirs = Hello.Parse(await peer.ReceiveAsync(Hello.SizeBytes), "the listener");
            // All that can be filled in without a key is filled in rightly.
            await peer.Stream.WriteAsync(new Proof(theirs.Nonce, peer.ServerCertificateHash, Guid.NewGuid(), Guid.NewGuid(), 1).Format());
            await peer.ReceiveAsync(Proof.SizeBytes);
            Assert.Equal(HandshakeRefusal.WrongKey, Verdict.Parse(await peer.ReceiveAsync(Verdict.SizeBytes), "the listener").Refusal);
        }
        Assert.Equal(HandshakeRefusal.WrongKey, listener.NextRefusal().Refusal);
        await listener.AssertUnharmedAsync();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(2, 9)]
    public async Task Version_not_in_common_is_refused_on_both_ends_naming_both(int lowest, int highest)
    {
        await using var listener = new ListenerUnderTest(Keys);
        var options = listener.HonestDialer with { Versions = new VersionRange((ushort)lowest, (ushort)highest) };
        var atDialer = await Assert.ThrowsAsync<ControlHandshakeException>(() => ControlConnection.DialAsync(listener.EndPoint, options));
        var atListener = listener.NextRefusal();
        foreach (var refused in new[] { atDialer, atListener })
        {
            Assert.Equal(HandshakeRefusal.Version, refused.Refusal);
            Assert.Contains($"{options.Versions}", refused.Message, StringComparison.Ordinal);
            Assert.Contains($"{VersionRange.Supported}", refused.Message, StringComparison.Ordinal);
        }
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Highest_common_version_is_chosen()
    {
        await using var listener = new ListenerUnderTest(Keys, options => options with { Versions = new VersionRange(1, 7) });
        var options = listener.HonestDialer with { Versions = new VersionRange(3, 5) };
        await using var dialer = await ControlConnection.DialAsync(listener.EndPoint, options);
        Assert.Equal(5, dialer.Version);
    }

    [Fact]
    public async Task Garbage_instead_of_tls_is_refused()
    {
        await using var listener = new ListenerUnderTest(Keys);
        await using (var peer = await RawPeer.ConnectTcpAsync(listener.EndPoint))
        {
            await peer.WriteAsync("GET / HTTP/1.1\r\nHost: exo\r\n\r\n"u8.ToArray());
            Assert.Equal(HandshakeRefusal.NotTls, listener.NextRefusal().Refusal);
        }
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Garbage_inside_tls_is_refused()
    {
        await using var listener = new ListenerUnderTest(Keys);
        await using (var peer = await RawPeer.ConnectAsync(listener.EndPoint))
        {
            await peer.Stream.WriteAsync(RandomNumberGenerator.GetBytes(4096));
            Assert.Equal(HandshakeRefusal.NotExo, listener.NextRefusal().Refusal);
        }
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Old_tls_is_refused()
    {
        await using var listener = new ListenerUnderTest(Keys);
        await using var stream = new SslStream(await RawPeer.ConnectTcpAsync(listener.EndPoint));
#pragma warning disable CA5397, CA5398, SYSLIB0039 // what is tested is that it is refused
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "exo",
            EnabledSslProtocols = SslProtocols.Tls11 | SslProtocols.Tls12,
        };
#pragma warning restore CA5397, CA5398, SYSLIB0039
        if (OperatingSystem.IsMacOS())
            return; // its listener has nothing above 1.2
        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync(options));
        Assert.Equal(HandshakeRefusal.NotTls, listener.NextRefusal().Refusal);
        await listener.AssertUnharmedAsync();
    }

    [Theory]
    [InlineData("before tls")]
    [InlineData("before hello")]
    [InlineData("in hello")]
    [InlineData("before proof")]
    public async Task Stalling_peer_is_dropped_at_the_deadline(string where)
    {
        // Its time passes when the peer stalls, not while a busy machine is at the handshake before.
        var time = new ManualTime();
        var timeout = TimeSpan.FromSeconds(3);
        await using var listener = new ListenerUnderTest(Keys, options => options with { Time = time, HandshakeTimeout = timeout });
        if (where == "before tls")
        {
            await using var peer = await RawPeer.ConnectTcpAsync(listener.EndPoint);
            Assert.Equal(HandshakeRefusal.Stalled, listener.NextRefusal(time).Refusal);
        }
        else
        {
            await using var peer = await RawPeer.ConnectAsync(listener.EndPoint);
            byte[] hello = new Hello(VersionRange.Supported, ControlRole.Dialer, new byte[32]).Format();
            int numBytes = where switch { "before hello" => 0, "in hello" => 7, _ => hello.Length };
            await peer.Stream.WriteAsync(hello.AsMemory(0, numBytes));
            Assert.Equal(HandshakeRefusal.Stalled, listener.NextRefusal(time).Refusal);
        }
        Assert.True(time.GetElapsedTime(0) >= timeout, "the deadline came early");
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Dialer_drops_a_stalling_listener_at_the_deadline()
    {
        await using var trap = new TcpTrap(async stream => await stream.ReadAtLeastAsync(new byte[100_000], 100_000));
        var options = new ControlOptions(NodeIdentity.Create("dialer"), Keys) { HandshakeTimeout = TimeSpan.FromMilliseconds(300) };
        var refused = await Assert.ThrowsAsync<ControlHandshakeException>(() => ControlConnection.DialAsync(trap.EndPoint, options));
        Assert.Equal(HandshakeRefusal.Stalled, refused.Refusal);
        Assert.Contains("0.3 s", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flood_of_stalling_peers_leaves_room_for_an_honest_one()
    {
        await using var listener = new ListenerUnderTest(Keys, options => options with { MaxPendingHandshakes = 4 });
        var flood = new List<Stream>();
        for (int i = 0; i < 40; i++)
        {
            flood.Add(await RawPeer.ConnectTcpAsync(listener.EndPoint));
            Assert.InRange(listener.Listener.NumPendingHandshakes, 0, 4);
        }
        await listener.AssertUnharmedAsync();
        Assert.Equal(HandshakeRefusal.Overloaded, listener.NextRefusal().Refusal);
        foreach (var stream in flood)
            await stream.DisposeAsync();
    }

    [Fact]
    public async Task Connections_that_nobody_takes_are_bounded()
    {
        await using var listener = new ListenerUnderTest(Keys, options => options with { MaxReadyConnections = 2 });
        var held = new List<ControlConnection>();
        for (int i = 0; i < 2; i++)
            held.Add(await ControlConnection.DialAsync(listener.EndPoint, listener.HonestDialer));
        // The third proves the key as well, and may or may not still see that it did before it is closed.
        var third = ControlConnection.DialAsync(listener.EndPoint, listener.HonestDialer);
        await Task.WhenAny(third);
        if (third.IsCompletedSuccessfully)
            held.Add(await third);
        Assert.Equal(HandshakeRefusal.Overloaded, listener.NextRefusal().Refusal);
        foreach (var connection in held)
            await connection.DisposeAsync();
    }

    [Fact]
    public async Task Recorded_handshake_sent_again_is_refused()
    {
        await using var listener = new ListenerUnderTest(Keys);
        byte[] recorded;
        await using (var honest = await RawPeer.ConnectAsync(listener.EndPoint))
        {
            var tap = new TappedStream(honest.Stream);
            await ControlHandshake.RunAsync(tap, ControlRole.Dialer, honest.ServerCertificateHash, listener.HonestDialer,
                "listener", default);
            recorded = [.. tap.Written];
        }
        await (await listener.Listener.AcceptAsync(default).AsTask().WaitAsync(ListenerUnderTest.Patience)).DisposeAsync();

        await using (var replay = await RawPeer.ConnectAsync(listener.EndPoint))
        {
            await replay.Stream.WriteAsync(recorded);
            Assert.Equal(HandshakeRefusal.Replayed, listener.NextRefusal().Refusal);
        }
        await using (var replay = await RawPeer.ConnectAsync(listener.EndPoint))
        {
            // The same with the answer to the new nonce pasted in: then it is the MAC that does not fit.
            await replay.Stream.WriteAsync(recorded.AsMemory(0, Hello.SizeBytes));
            var theirs = Hello.Parse(await replay.ReceiveAsync(Hello.SizeBytes), "listener");
            theirs.Nonce.CopyTo(recorded.AsMemory(Hello.SizeBytes));
            await replay.Stream.WriteAsync(recorded.AsMemory(Hello.SizeBytes));
            Assert.Equal(HandshakeRefusal.WrongKey, listener.NextRefusal().Refusal);
        }
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Recorded_tcp_bytes_sent_again_are_refused()
    {
        await using var listener = new ListenerUnderTest(Keys);
        var recorded = new List<byte>();
        await using (var wiretap = new TcpTrap(async fromDialer =>
        {
            await using var toListener = await RawPeer.ConnectTcpAsync(listener.EndPoint);
            var back = toListener.CopyToAsync(fromDialer);
            var tap = new TappedStream(toListener);
            await Task.WhenAny(fromDialer.CopyToAsync(tap), back);
            recorded.AddRange(tap.Written);
        }))
        {
            // A wire that only copies is harmless: the certificates agree.
            await using var dialer = await ControlConnection.DialAsync(wiretap.EndPoint, listener.HonestDialer);
            await (await listener.Listener.AcceptAsync(default).AsTask().WaitAsync(ListenerUnderTest.Patience)).DisposeAsync();
        }
        Assert.NotEmpty(recorded);
        await using (var replay = await RawPeer.ConnectTcpAsync(listener.EndPoint))
        {
            await replay.WriteAsync(recorded.ToArray());
            Assert.Equal(HandshakeRefusal.NotTls, listener.NextRefusal().Refusal);
        }
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Own_messages_sent_back_are_refused()
    {
        await using var listener = new ListenerUnderTest(Keys);
        await using (var mirror = await RawPeer.ConnectAsync(listener.EndPoint))
        {
            await mirror.Stream.WriteAsync(await mirror.ReceiveAsync(Hello.SizeBytes));
            Assert.Equal(HandshakeRefusal.Reflected, listener.NextRefusal().Refusal);
        }
        await listener.AssertUnharmedAsync();
    }

    [Theory]
    [InlineData(false, HandshakeRefusal.Relayed)]
    [InlineData(true, HandshakeRefusal.WrongKey)]
    public async Task Relay_that_ends_tls_between_two_honest_nodes_is_refused_by_both(bool forgesHash, HandshakeRefusal expected)
    {
        await using var listener = new ListenerUnderTest(Keys);
        await using var relay = TcpTrap.WithTls(async (fromDialer, ownHash) =>
        {
            await using var toListener = await RawPeer.ConnectAsync(listener.EndPoint);
            byte[] listenersHash = toListener.ServerCertificateHash;
            byte[] Forge(byte[] bytes, byte[] seen, byte[] wanted)
            {
                int at = forgesHash ? bytes.AsSpan().IndexOf(seen) : -1;
                if (at >= 0)
                    wanted.CopyTo(bytes, at);
                return bytes;
            }
            var onward = new TappedStream(toListener.Stream, bytes => Forge(bytes, ownHash, listenersHash));
            var back = new TappedStream(fromDialer, bytes => Forge(bytes, listenersHash, ownHash));
            await Task.WhenAny(fromDialer.CopyToAsync(onward), toListener.Stream.CopyToAsync(back));
            await Task.Delay(100);
        });
        var atDialer = await Assert.ThrowsAsync<ControlHandshakeException>(
            () => ControlConnection.DialAsync(relay.EndPoint, listener.HonestDialer));
        Assert.Equal(expected, atDialer.Refusal);
        Assert.Equal(expected, listener.NextRefusal().Refusal);
        await listener.AssertUnharmedAsync();
    }

    [Fact]
    public async Task Dialling_oneself_is_refused()
    {
        var options = new ControlOptions(NodeIdentity.Create("lonely"), Keys);
        await using var listener = new ControlListener(new IPEndPoint(IPAddress.Loopback, 0), options);
        var refused = await Assert.ThrowsAsync<ControlHandshakeException>(() => ControlConnection.DialAsync(listener.EndPoint, options));
        Assert.Equal(HandshakeRefusal.Self, refused.Refusal);
    }

    [Fact]
    public async Task Listener_that_refuses_is_reported_with_its_reason()
    {
        await using var trap = TcpTrap.WithTls(async (stream, hash) =>
        {
            var honest = new ControlOptions(NodeIdentity.Create("grumpy"), Keys);
            byte[] no = new Verdict(HandshakeRefusal.Overloaded, "grumpy").Format();
            byte[] Grumble(byte[] bytes) => bytes.Length == Verdict.SizeBytes ? no : bytes;
            await ControlHandshake.RunAsync(new TappedStream(stream, Grumble), ControlRole.Listener, hash, honest, "dialer", default);
        });
        var options = new ControlOptions(NodeIdentity.Create("dialer"), Keys);
        var refused = await Assert.ThrowsAsync<ControlHandshakeException>(() => ControlConnection.DialAsync(trap.EndPoint, options));
        Assert.Equal(HandshakeRefusal.ByPeer, refused.Refusal);
        Assert.Contains("grumpy", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Overloaded", refused.Message, StringComparison.Ordinal);
    }
}
