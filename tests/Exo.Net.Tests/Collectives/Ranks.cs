using System.Net;
using System.Net.Sockets;
using Exo.Net.Collectives;
using Exo.Net.Transports;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Collectives;

/// <summary>A group whose ranks are threads of this process.</summary>
internal static class Ranks
{
    public enum Link
    {
        Loopback,
        SharedMemory,
        Tcp,
        SealedTcp,
    }

    /// <summary>Runs every rank of a group on a thread of its own.</summary>
    public static void Run(int worldSize, Link link, ProcessGroupOptions options, Action<NetProcessGroup> rank)
    {
        RankGroups[] groups = RankGrid.Connect(worldSize, 1, (a, b) => Connect(a, b, link), options, default);
        var errors = new List<Exception>();
        Thread[] threads = [.. groups.Select(group => new Thread(() =>
        {
            Exception? error = Record.Exception(() => rank((NetProcessGroup)group.Tensor));
            group.Dispose();
            lock (errors) if (error is not null) errors.Add(error);
        }) { IsBackground = true })];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(100)), "a rank hangs");
        if (errors.Count > 0) throw new AggregateException(errors);
    }

    /// <summary>The groups of a grid of ranks, connected by one kind of link.</summary>
    public static RankGroups[] Grid(int tensorRanks, int numStages, Link link) =>
        RankGrid.Connect(tensorRanks, numStages, (a, b) => Connect(a, b, link), new ProcessGroupOptions(), default);

    private static (Transport OfA, Transport OfB) Connect(int a, int b, Link link)
    {
        TransportOptions ofA = Options(link, LinkRole.Dialer), ofB = Options(link, LinkRole.Listener);
        (string nameOfA, string nameOfB) = ($"rank {a}", $"rank {b}");
        if (link == Link.Loopback) return LoopbackTransport.CreatePair(nameOfA, nameOfB, ofA, ofB);
        Deadline deadline = Deadline.After(TimeSpan.FromMinutes(1));
        LinkTicket ticket = LinkTicket.Create();
        if (link == Link.SharedMemory)
        {
            using SharedMemoryListener memory = SharedMemoryTransport.Listen(SharedMemoryTransport.DefaultFolder);
            Task<SharedMemoryTransport> accepting = Task.Run(() => memory.Accept(nameOfA, ticket, ofB, deadline, default));
            SharedMemoryTransport end = SharedMemoryTransport.Dial(nameOfB, memory.Path, ticket, ofA, deadline, default);
            return (end, accepting.GetAwaiter().GetResult());
        }
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        Socket dialed = DataListener.Dial(nameOfB, listener.EndPoint, ticket, deadline, default);
        (Socket accepted, _) = listener.Accept(nameOfA, [ticket], deadline, default);
        return (new TcpTransport(nameOfB, dialed, ofA), new TcpTransport(nameOfA, accepted, ofB));
    }

    private static TransportOptions Options(Link link, LinkRole role) => new()
    {
        Epoch = 5,
        Cipher = link == Link.SealedTcp ? LinkCipher.Derive(new byte[32], new byte[32], new byte[32], role) : null,
    };
}
