using System.Net;
using System.Text;
using Exo.Net.Cluster.Control;
using Nerdbank.Streams;
using StreamJsonRpc;
using Xunit;

namespace Exo.Net.Tests.Cluster.Control;

public sealed class ControlConnectionTests
{
    private static readonly ClusterKeys Keys = new(ClusterKey.Create());

    [Fact]
    public async Task Both_ends_know_each_other_and_agree_on_a_version()
    {
        await using var pair = await Pair.MakeAsync(Keys, Keys);
        Assert.Equal(pair.DialerOptions.Identity, pair.Accepted.Remote);
        Assert.Equal("listener", pair.Dialer.Remote.Name);
        Assert.Equal((1, 1), (pair.Dialer.Version, pair.Accepted.Version));
        Assert.Equal((ControlRole.Dialer, ControlRole.Listener), (pair.Dialer.Role, pair.Accepted.Role));
    }

    [Fact]
    public async Task Calls_go_both_ways_whoever_dialled()
    {
        await using var pair = await Pair.MakeAsync(Keys, Keys);
        var opening = pair.Accepted.OpenRpcAsync(new Named("listener"), default);
        using var atDialer = await pair.Dialer.OpenRpcAsync(new Named("dialer"), default);
        using var atListener = await opening;
        atDialer.StartListening();
        atListener.StartListening();
        Assert.Equal("listener", await atDialer.InvokeAsync<string>("Name"));
        Assert.Equal("dialer", await atListener.InvokeAsync<string>("Name"));
    }

    [Fact]
    public async Task Failure_in_a_call_arrives_as_its_message()
    {
        await using var pair = await Pair.MakeAsync(Keys, Keys);
        var opening = pair.Accepted.OpenRpcAsync(new Named("listener"), default);
        using var atDialer = await pair.Dialer.OpenRpcAsync(null, default);
        using var atListener = await opening;
        atListener.StartListening();
        atDialer.StartListening();
        var failed = await Assert.ThrowsAsync<RemoteInvocationException>(() => atDialer.InvokeAsync("Fail"));
        Assert.Contains("no such model", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Raw_channels_carry_bytes_beside_each_other()
    {
        await using var pair = await Pair.MakeAsync(Keys, Keys);
        foreach (string name in new[] { "first", "second" })
        {
            var accepting = pair.Accepted.OpenChannelAsync(name, default);
            using var offered = await pair.Dialer.OpenChannelAsync(name, default);
            using var accepted = await accepting;
            await offered.AsStream().WriteAsync(Encoding.ASCII.GetBytes(name));
            var bytes = new byte[name.Length];
            await accepted.AsStream().ReadExactlyAsync(bytes);
            Assert.Equal(name, Encoding.ASCII.GetString(bytes));
        }
    }

    [Fact]
    public async Task Data_secrets_are_shared_by_the_ends_and_by_nothing_else()
    {
        await using var first = await Pair.MakeAsync(Keys, Keys);
        await using var second = await Pair.MakeAsync(Keys, Keys);
        byte[] secret = first.Dialer.DeriveDataSecret("plan 7 ranks 0 1");
        Assert.Equal(32, secret.Length);
        Assert.Equal(secret, first.Accepted.DeriveDataSecret("plan 7 ranks 0 1"));
        Assert.NotEqual(secret, first.Accepted.DeriveDataSecret("plan 8 ranks 0 1"));
        Assert.NotEqual(secret, second.Dialer.DeriveDataSecret("plan 7 ranks 0 1"));
    }

    [Fact]
    public async Task Rotation_lets_neighbouring_stages_in_and_no_others()
    {
        var (old, fresh) = (ClusterKey.Create(), ClusterKey.Create());
        ClusterKeys[] stages = [new(old), new(old, fresh), new(fresh, old), new(fresh)];
        for (int dialer = 0; dialer < stages.Length; dialer++)
        {
            for (int listener = 0; listener < stages.Length; listener++)
            {
                if (Math.Abs(dialer - listener) <= 1)
                {
                    await using var pair = await Pair.MakeAsync(stages[listener], stages[dialer]);
                    Assert.Equal(pair.Dialer.DeriveDataSecret("x"), pair.Accepted.DeriveDataSecret("x"));
                }
                else
                {
                    await Assert.ThrowsAsync<ControlHandshakeException>(() => Pair.MakeAsync(stages[listener], stages[dialer]));
                }
            }
        }
    }

    [Fact]
    public async Task Closing_one_end_completes_the_other()
    {
        await using var pair = await Pair.MakeAsync(Keys, Keys);
        await pair.Dialer.DisposeAsync();
        await Task.WhenAny(pair.Accepted.Completion).WaitAsync(ListenerUnderTest.Patience);
        Assert.True(pair.Accepted.Completion.IsCompleted);
    }

    [Fact]
    public async Task Host_names_can_be_dialled()
    {
        await using var listener = new ListenerUnderTest(Keys);
        var address = new DnsEndPoint("localhost", listener.EndPoint.Port);
        await using var dialer = await ControlConnection.DialAsync(address, listener.HonestDialer);
        Assert.Equal("listener", dialer.Remote.Name);
    }

    [Fact]
    public async Task Nobody_listening_is_refused_as_closed_and_names_the_address()
    {
        var listener = new ListenerUnderTest(Keys);
        var address = listener.EndPoint;
        await listener.DisposeAsync();
        var refused = await Assert.ThrowsAsync<ControlHandshakeException>(
            () => ControlConnection.DialAsync(address, listener.HonestDialer));
        Assert.Equal(HandshakeRefusal.Closed, refused.Refusal);
        Assert.Contains($"{address}", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelled_dial_is_cancelled_not_refused()
    {
        // It says nothing for as long as the dialer stays.
        await using var trap = new TcpTrap(async stream => await stream.ReadAtLeastAsync(new byte[100_000], 100_000));
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        var options = new ControlOptions(NodeIdentity.Create("dialer"), Keys) { HandshakeTimeout = ListenerUnderTest.Patience };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ControlConnection.DialAsync(trap.EndPoint, options, cancel.Token));
    }

    [Fact]
    public async Task Disposing_a_listener_frees_its_port_and_what_it_held()
    {
        var listener = new ListenerUnderTest(Keys);
        await using var untaken = await ControlConnection.DialAsync(listener.EndPoint, listener.HonestDialer);
        await using var stalling = await RawPeer.ConnectTcpAsync(listener.EndPoint);
        var address = listener.EndPoint;
        await listener.DisposeAsync().AsTask().WaitAsync(ListenerUnderTest.Patience);
        Assert.Equal(0, await stalling.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false));
        await Task.WhenAny(untaken.Completion).WaitAsync(ListenerUnderTest.Patience);
        await using var again = new ControlListener(address, listener.HonestDialer);
        Assert.Equal(address, again.EndPoint);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("red\u001b[31m")]
    [InlineData("this name is longer than the sixty-two bytes that a verdict has room for")]
    public void Name_that_cannot_be_shown_is_refused(string name) => Assert.Throws<ArgumentException>(() => NodeIdentity.Create(name));

    private sealed class Named(string name)
    {
        public string Name() => name;
        public void Fail() => throw new InvalidOperationException("no such model");
    }

    private sealed class Pair : IAsyncDisposable
    {
        private ListenerUnderTest _listener = null!;
        public required ControlConnection Dialer { get; init; }
        public required ControlConnection Accepted { get; init; }
        public required ControlOptions DialerOptions { get; init; }

        public static async Task<Pair> MakeAsync(ClusterKeys listeners, ClusterKeys dialers)
        {
            var listener = new ListenerUnderTest(listeners);
            try
            {
                var options = new ControlOptions(NodeIdentity.Create("dialer"), dialers) { HandshakeTimeout = ListenerUnderTest.Patience };
                var dialer = await ControlConnection.DialAsync(listener.EndPoint, options);
                var accepted = await listener.Listener.AcceptAsync(default).AsTask().WaitAsync(ListenerUnderTest.Patience);
                return new Pair { Dialer = dialer, Accepted = accepted, DialerOptions = options, _listener = listener };
            }
            catch
            {
                await listener.DisposeAsync();
                throw;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Dialer.DisposeAsync();
            await Accepted.DisposeAsync();
            await _listener.DisposeAsync();
        }
    }
}
