using System.Globalization;
using System.Security.Authentication;
using Exo.Net.Cluster.Control;
using Nerdbank.Streams;
using Xunit;

namespace Exo.Net.Tests.Cluster.Control;

/// <summary>
/// Handshakes with random damage, made by a peer that holds the key, so that the damage reaches every check. EXO_MUTATIONS sets how many
/// and EXO_SEED which; tests/campaigns/mutated-handshakes runs ten thousand of each kind.
/// </summary>
public sealed class MutatedHandshakeTests
{
    private static readonly ClusterKeys Keys = new(ClusterKey.Create());
    private static readonly int Seed = FromEnvironment("EXO_SEED") ?? Random.Shared.Next();

    private static int? FromEnvironment(string name) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : null;

    [Theory]
    [InlineData(ControlRole.Listener)]
    [InlineData(ControlRole.Dialer)]
    public async Task Mutated_handshakes_end_in_a_refusal_and_never_in_a_crash(ControlRole victim)
    {
        int numMutations = FromEnvironment("EXO_MUTATIONS") ?? 1000;
        var hash = new byte[32];
        for (int i = 0; i < numMutations; i++)
        {
            var random = new Random(HashCode.Combine(Seed, i));
            var (near, far) = FullDuplexStream.CreatePair();
            var honest = new ControlOptions(NodeIdentity.Create("victim"), Keys);
            var peer = new ControlOptions(NodeIdentity.Create("peer"), Keys);
            using var deadline = new CancellationTokenSource(ListenerUnderTest.Patience);
            var otherRole = victim == ControlRole.Dialer ? ControlRole.Listener : ControlRole.Dialer;
            var attack = AttackAsync(far, otherRole, hash, peer, random, deadline.Token);
            try
            {
                var result = await ControlHandshake.RunAsync(near, victim, hash, honest, "peer", deadline.Token);
                // Only the name is not under the MAC (TLS protects it): whoever got through is still who proved the key.
                Assert.Equal(peer.Identity.NodeId, result.Remote.NodeId);
                Assert.True(NodeIdentity.IsUsableName(result.Remote.Name), $"seed {Seed} mutation {i}");
            }
            catch (Exception e) when (e is not ControlHandshakeException)
            {
                Assert.Fail($"seed {Seed} mutation {i}: {e}");
            }
            catch (ControlHandshakeException)
            {
                // As it should be.
            }
            await near.DisposeAsync();
            await attack;
        }
    }

    [Fact]
    public async Task Mutated_handshakes_over_tcp_leave_the_listener_unharmed()
    {
        int numMutations = FromEnvironment("EXO_MUTATIONS") ?? 100;
        await using var listener = new ListenerUnderTest(Keys, options => options with { HandshakeTimeout = ListenerUnderTest.Patience });
        for (int i = 0; i < numMutations; i++)
        {
            var random = new Random(HashCode.Combine(Seed, i, 1));
            if (random.Next(2) == 0)
            {
                await using var peer = await RawPeer.ConnectAsync(listener.EndPoint);
                await AttackAsync(peer.Stream, ControlRole.Dialer, peer.ServerCertificateHash, listener.HonestDialer, random, default);
            }
            else
            {
                await AttackTlsAsync(listener, random);
            }
            // Damage to a name alone gets in; everything else is refused with a type.
            while (listener.Listener.NumPendingHandshakes > 0)
                await Task.Delay(1);
        }
        await listener.DrainAsync();
        await listener.AssertUnharmedAsync();
    }

    // The damage is below TLS: in records, hellos and key shares.
    private static async Task AttackTlsAsync(ListenerUnderTest listener, Random random)
    {
        await using var tcp = await RawPeer.ConnectTcpAsync(listener.EndPoint);
        int atWrite = random.Next(3), write = 0;
        var tap = new TappedStream(tcp, bytes => write++ == atWrite ? Mutate(bytes, random) : bytes);
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
            var (tls, hash) = await ControlTls.DialAsync(tap, "listener", deadline.Token);
            await ControlHandshake.RunAsync(tls, ControlRole.Dialer, hash, listener.HonestDialer, "listener", deadline.Token);
        }
        catch (Exception e) when (e is ControlHandshakeException or IOException or OperationCanceledException or AuthenticationException)
        {
            // The attacker's own end may fail as it likes.
        }
    }

    private static async Task AttackAsync(
        Stream stream, ControlRole role, byte[] hash, ControlOptions options, Random random, CancellationToken token)
    {
        int atWrite = random.Next(3), write = 0;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(token);
        var tap = new TappedStream(stream, bytes =>
        {
            if (write++ != atWrite)
                return bytes;
            // Less than was meant may leave the victim waiting: then the attacker hangs up.
            byte[] mutated = Mutate(bytes, random);
            if (mutated.Length < bytes.Length)
                patience.CancelAfter(TimeSpan.FromMilliseconds(20));
            return mutated;
        });
        try
        {
            await ControlHandshake.RunAsync(tap, role, hash, options, "victim", patience.Token);
        }
        catch (Exception e) when (e is ControlHandshakeException or IOException or OperationCanceledException or InvalidOperationException)
        {
            // The attacker's own end may fail as it likes.
        }
        await stream.DisposeAsync();
    }

    private static byte[] Mutate(byte[] bytes, Random random)
    {
        var copy = bytes.ToList();
        int at = random.Next(copy.Count);
        switch (random.Next(6))
        {
            case 0:
                copy[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                copy[at] = (byte)random.Next(256);
                break;
            case 2:
                copy.RemoveRange(at, random.Next(1, copy.Count - at + 1));
                break;
            case 3:
                copy.InsertRange(at, Enumerable.Range(0, random.Next(1, 200)).Select(_ => (byte)random.Next(256)));
                break;
            case 4:
                for (int i = at; i < copy.Count; i++)
                    copy[i] = random.Next(2) == 0 ? (byte)0 : (byte)0xff;
                break;
            default:
                copy.AddRange(bytes);
                break;
        }
        return [.. copy];
    }
}
