using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>How the ranks of a plan exchange data.</summary>
public enum LinkChoice
{
    /// <summary>Shared memory between processes of one host, TCP between others.</summary>
    Automatic,
    /// <summary>TCP everywhere.</summary>
    Tcp,
}

/// <summary>Whether frames that leave the host are sealed.</summary>
public enum LinkSeal
{
    /// <summary>AES-GCM on every TCP link; shared memory is as private as the processes.</summary>
    Encrypted,
    /// <summary>In the clear: for a network that only the cluster's nodes can read.</summary>
    Trusted,
}

/// <summary>Where a rank waits for the data connections of one plan. One listener a peer for shared memory, one for all over TCP.</summary>
internal sealed class LinkListeners : IDisposable
{
    private readonly List<SharedMemoryListener> _shared = [];

    public LinkListeners(IPAddress address, int numPeers, LinkChoice choice)
    {
        Tcp = DataListener.Tcp(new IPEndPoint(address, 0));
        if (choice == LinkChoice.Tcp || OperatingSystem.IsWindows())
            return;
        for (int i = 0; i < numPeers; i++)
            _shared.Add(SharedMemoryTransport.Listen(SharedMemoryTransport.DefaultFolder));
    }

    public DataListener Tcp { get; }

    public SharedMemoryListener SharedMemory(string path) => _shared.Single(listener => listener.Path == path);

    /// <summary>Paths of the shared-memory listeners, one a peer in rank order; none where shared memory is not offered.</summary>
    public string[] SharedPaths => [.. _shared.Select(listener => listener.Path)];

    public void Dispose()
    {
        Tcp.Dispose();
        foreach (var listener in _shared)
            listener.Dispose();
    }
}

/// <summary>Decides and makes the data connections of a plan.</summary>
internal static class PlanLinks
{
    /// <summary>What every rank needs to make its end of every pair: links[rank] has one entry a peer.</summary>
    /// <param name="ranks">What each rank has promised.</param>
    /// <param name="leaderAddresses">Where each rank sees rank 0's TCP listener.</param>
    /// <param name="choice">Whether hosts' memory is used.</param>
    /// <param name="seal">Whether TCP links are sealed.</param>
    public static LinkOrder[][] Arrange(PlanPromise[] ranks, string[] leaderAddresses, LinkChoice choice, LinkSeal seal)
    {
        var orders = ranks.Select(_ => new List<LinkOrder>()).ToArray();
        for (int low = 0; low < ranks.Length; low++)
        {
            for (int high = low + 1; high < ranks.Length; high++)
            {
                bool isShared = choice == LinkChoice.Automatic
                    && ranks[low].HostId == ranks[high].HostId && ranks[low].SharedPaths.Length > 0;
                // A loopback address is no address for another host; its owner dials.
                string lowAddress = low == 0 ? leaderAddresses[high] : ranks[low].Address;
                bool lowDials = !isShared && IsLoopback(lowAddress) && !IsLoopback(ranks[high].Address);
                var (dialer, listener) = lowDials ? (low, high) : (high, low);
                // A listener has one shared-memory door a peer; rank r stands at door r, less one above the listener itself.
                int door = dialer < listener ? dialer : dialer - 1;
                string place = isShared ? ranks[listener].SharedPaths[door] : lowDials ? ranks[high].Address : lowAddress;
                var link = new LinkOrder
                {
                    Peer = listener,
                    Role = LinkRole.Dialer,
                    IsShared = isShared,
                    Place = place,
                    Ticket = RandomNumberGenerator.GetBytes(LinkTicket.Size),
                    Secret = isShared || seal == LinkSeal.Trusted ? null : RandomNumberGenerator.GetBytes(32),
                    DialerRandom = ranks[dialer].Random,
                    ListenerRandom = ranks[listener].Random,
                };
                orders[dialer].Add(link);
                orders[listener].Add(link with { Peer = dialer, Role = LinkRole.Listener });
            }
        }
        return [.. orders.Select(list => list.ToArray())];
    }

    /// <summary>
    /// Heartbeats between workers: orders[rank] has one entry a peer; the leader's own are keyed by the control connections. A pair of
    /// which one end is only known by a loopback address has none: nothing could be sent from there to the other.
    /// </summary>
    public static HeartbeatOrder[][] ArrangeHeartbeats(PlanPromise[] ranks)
    {
        var orders = ranks.Select(_ => new List<HeartbeatOrder>()).ToArray();
        for (int low = 1; low < ranks.Length; low++)
        {
            for (int high = low + 1; high < ranks.Length; high++)
            {
                if (IsLoopback(ranks[low].HeartbeatAddress) != IsLoopback(ranks[high].HeartbeatAddress))
                    continue;
                byte[] secret = RandomNumberGenerator.GetBytes(32);
                orders[low].Add(Order(high, LinkRole.Dialer, secret));
                orders[high].Add(Order(low, LinkRole.Listener, secret));
            }
        }
        return [.. orders.Select(list => list.ToArray())];

        HeartbeatOrder Order(int peer, LinkRole role, byte[] secret) => new()
        {
            Peer = peer,
            Role = role,
            Address = ranks[peer].HeartbeatAddress,
            Secret = secret,
            PeerRandom = ranks[peer].Random,
        };
    }

    /// <summary>
    /// Makes this rank's end of its links, in an order in which nobody waits for somebody who waits for him: TCP dials need only the
    /// peer's backlog; shared-memory pairs go in one order for all ranks; then TCP dialers are taken as they come.
    /// </summary>
    /// <returns>One transport a peer, by rank; null at this rank's own place.</returns>
    /// <exception cref="WireException">A peer is gone or not in time; named.</exception>
    public static Transport?[] Connect(
        PlanOffer offer, LinkOrder[] links, LinkListeners listeners, Deadline deadline, CancellationToken cancel)
    {
        var transports = new Transport?[offer.NodeNames.Length];
        try
        {
            foreach (var link in links.Where(link => !link.IsShared && link.Role == LinkRole.Dialer))
            {
                string peer = offer.NodeNames[link.Peer];
                var socket = DataListener.Dial(peer, IPEndPoint.Parse(link.Place), new LinkTicket(link.Ticket), deadline, cancel);
                transports[link.Peer] = new TcpTransport(peer, socket, Options(offer.Epoch, link));
            }
            int own = offer.Rank;
            foreach (var link in links.Where(link => link.IsShared).OrderBy(link => Math.Min(own, link.Peer)).ThenBy(link => Math.Max(own,
                link.Peer)))
            {
                string peer = offer.NodeNames[link.Peer];
                var (ticket, options) = (new LinkTicket(link.Ticket), Options(offer.Epoch, link));
                transports[link.Peer] = link.Role == LinkRole.Dialer
                    ? SharedMemoryTransport.Dial(peer, link.Place, ticket, options, deadline, cancel)
                    : listeners.SharedMemory(link.Place).Accept(peer, ticket, options, deadline, cancel);
            }
            AcceptTcp(offer, links, listeners.Tcp, transports, deadline, cancel);
            return transports;
        }
        catch
        {
            foreach (var transport in transports)
                transport?.Dispose();
            throw;
        }
    }

    private static void AcceptTcp(
        PlanOffer offer, LinkOrder[] links, DataListener listener, Transport?[] transports, Deadline deadline, CancellationToken cancel)
    {
        var expected = links.Where(link => !link.IsShared && link.Role == LinkRole.Listener).ToList();
        while (expected.Count > 0)
        {
            LinkTicket[] tickets = [.. expected.Select(link => new LinkTicket(link.Ticket))];
            string missing = string.Join(", ", expected.Select(link => offer.NodeNames[link.Peer]));
            var (socket, index) = listener.Accept(missing, tickets, deadline, cancel);
            var link = expected[index];
            transports[link.Peer] = new TcpTransport(offer.NodeNames[link.Peer], socket, Options(offer.Epoch, link));
            expected.RemoveAt(index);
        }
    }

    private static TransportOptions Options(uint epoch, LinkOrder link) => new()
    {
        Epoch = epoch,
        Cipher = link.Secret is null ? null : LinkCipher.Derive(link.Secret, link.DialerRandom, link.ListenerRandom, link.Role),
    };

    private static bool IsLoopback(string address) => IPAddress.IsLoopback(IPEndPoint.Parse(address).Address);
}
