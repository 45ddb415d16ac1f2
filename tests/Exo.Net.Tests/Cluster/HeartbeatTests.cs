using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Exo.Net.Cluster;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class HeartbeatTests
{
    private static readonly byte[] Secret = RandomNumberGenerator.GetBytes(32);
    private static readonly byte[] Random = RandomNumberGenerator.GetBytes(32);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static LinkCipher Cipher(LinkRole role) => LinkCipher.Derive(Secret, Random, Random, role);

    [Fact]
    public void Progress_of_a_rank_is_seen_by_its_peer()
    {
        using var pair = new Pair();
        pair.ProgressOfB.Place = (7, 12);
        pair.WaitUntilUp();
        Assert.True(SpinWait.SpinUntil(() => pair.A.ProgressOf(0) == (7u, 12u), Patience));
    }

    [Fact]
    public void Peer_that_falls_silent_is_named_with_its_progress()
    {
        using var pair = new Pair();
        pair.ProgressOfB.Place = (7, 12);
        pair.WaitUntilUp();
        Assert.True(SpinWait.SpinUntil(() => pair.A.ProgressOf(0) == (7u, 12u), Patience));
        pair.B.Dispose();
        Assert.True(SpinWait.SpinUntil(() => pair.Down is not null, Patience));
        Assert.Matches(@"^b: silent for [1-4]\.\d s \(last seen in step 7, operation 12\)", pair.Down);
    }

    [Fact]
    public void Edge_that_never_comes_up_names_the_peer()
    {
        using var a = new Heartbeats(IPAddress.Loopback, 1, 0, new ComputeProgress());
        a.Start([new HeartbeatPeer(1, "b", new IPEndPoint(IPAddress.Loopback, 9), Cipher(LinkRole.Dialer))], (_, _) => { });
        var failed = Assert.Throws<NodeFailedException>(() => a.WaitUntilUp(TimeSpan.FromMilliseconds(200), default));
        Assert.Equal("b", failed.Node);
    }

    [Fact]
    public void Recorded_forged_and_mutated_beats_do_not_keep_a_dead_peer_alive()
    {
        using var pair = new Pair();
        pair.WaitUntilUp();
        pair.B.Dispose();
        using var attacker = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        var (own, strange) = (Cipher(LinkRole.Listener), LinkCipher.Derive(new byte[32], Random, Random, LinkRole.Listener));
        var (recorded, forged) = (new byte[HeartbeatMessage.SizeBytes], new byte[HeartbeatMessage.SizeBytes]);
        new HeartbeatMessage(1, 1, 1, ulong.MaxValue, 0, 0, 0).Format(recorded, own); // beat 1 came long ago
        new HeartbeatMessage(1, 1, ulong.MaxValue, ulong.MaxValue, 0, 0, 0).Format(forged, strange);
        var random = new System.Random(1);
        var watch = Stopwatch.StartNew();
        while (pair.Down is null && watch.Elapsed < Patience)
        {
            attacker.SendTo(recorded, pair.A.EndPoint);
            attacker.SendTo(forged, pair.A.EndPoint);
            var mutated = (byte[])recorded.Clone();
            mutated[random.Next(mutated.Length)] ^= (byte)random.Next(1, 256);
            attacker.SendTo(mutated.AsSpan(0, random.Next(mutated.Length + 1)), SocketFlags.None, pair.A.EndPoint);
            attacker.SendTo(new byte[1500], pair.A.EndPoint);
            Thread.Sleep(1);
        }
        Assert.NotNull(pair.Down);
    }

    private sealed class Pair : IDisposable
    {
        private volatile string? _down;

        public Pair()
        {
            A = new Heartbeats(IPAddress.Loopback, 1, 0, new ComputeProgress());
            B = new Heartbeats(IPAddress.Loopback, 1, 1, ProgressOfB);
            A.Start([new HeartbeatPeer(1, "b", B.EndPoint, Cipher(LinkRole.Dialer))], (peer, what) => _down = $"{peer.Name}: {what}");
            B.Start([new HeartbeatPeer(0, "a", A.EndPoint, Cipher(LinkRole.Listener))], (_, _) => { });
        }

        public Heartbeats A { get; }
        public Heartbeats B { get; }
        public ComputeProgress ProgressOfB { get; } = new();
        public string? Down => _down;

        public void WaitUntilUp()
        {
            A.WaitUntilUp(Patience, default);
            B.WaitUntilUp(Patience, default);
        }

        public void Dispose()
        {
            A.Dispose();
            B.Dispose();
        }
    }
}
