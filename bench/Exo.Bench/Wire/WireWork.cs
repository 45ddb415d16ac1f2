using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Collectives;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Bench.Wire;

/// <summary>What two processes measure between them.</summary>
public enum WireLink
{
    /// <summary>Blocking sockets that send 8 KB to and fro: what the operating system gives.</summary>
    BareTcp,
    SharedMemory,
    Tcp,
    SealedTcp,
}

/// <summary>Where the two processes run.</summary>
public enum WirePlacement
{
    /// <summary>Where the system puts them.</summary>
    Free,

    /// <summary>Rank 0 on core 0, rank 1 on core 1.</summary>
    Pinned,
}

/// <summary>What both ends of a measurement are told.</summary>
public sealed record WireJob(WireLink Link, int NumBytes, int WarmUp, int Count, int Pauses, int Yields, WirePlacement Placement)
{
    /// <summary>Operations that both ends run.</summary>
    public int Total => WarmUp + Count;

    /// <summary>Puts this process where the job wants it.</summary>
    public void Place(int rank)
    {
        if (Placement == WirePlacement.Free || !(OperatingSystem.IsLinux() || OperatingSystem.IsWindows())) return;
        using var self = Process.GetCurrentProcess();
        self.ProcessorAffinity = 1 << rank;
    }
}

/// <summary>One end's part of a measurement: rank 0 listens and measures, rank 1 dials.</summary>
public static class WireWork
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Runs rank 0; <paramref name="startPeer"/> is given the address to dial.</summary>
    public static Latencies Listen(WireJob job, LinkTicket ticket, Action<string> startPeer)
    {
        Deadline deadline = Deadline.After(Limit);
        if (job.Link == WireLink.SharedMemory)
        {
            using SharedMemoryListener memory = SharedMemoryTransport.Listen(SharedMemoryTransport.DefaultFolder);
            startPeer(memory.Path);
            job.Place(rank: 0);
            using SharedMemoryTransport end = memory.Accept("peer", ticket, Options(job.Link, ticket, LinkRole.Listener), deadline, default);
            return MeasureAllReduce(job, end);
        }
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        startPeer(listener.EndPoint.ToString()!);
        job.Place(rank: 0);
        (Socket socket, _) = listener.Accept("peer", [ticket], deadline, default);
        if (job.Link != WireLink.BareTcp)
        {
            using var transport = new TcpTransport("peer", socket, Options(job.Link, ticket, LinkRole.Listener));
            return MeasureAllReduce(job, transport);
        }
        using (socket)
        {
            socket.NoDelay = true;
            socket.ReceiveTimeout = 0;
            byte[] bytes = new byte[job.NumBytes];
            return Latencies.Measure("bare blocking TCP, there and back", job.WarmUp, job.Count, () =>
            {
                socket.Send(bytes);
                ReceiveAll(socket, bytes);
            });
        }
    }

    /// <summary>Runs rank 1.</summary>
    public static void Dial(WireJob job, LinkTicket ticket, string address)
    {
        job.Place(rank: 1);
        Deadline deadline = Deadline.After(Limit);
        TransportOptions options = Options(job.Link, ticket, LinkRole.Dialer);
        if (job.Link == WireLink.SharedMemory)
        {
            using SharedMemoryTransport end = SharedMemoryTransport.Dial("peer", address, ticket, options, deadline, default);
            Repeat(job.Total, AllReduce(job, end, rank: 1));
            return;
        }
        using Socket socket = DataListener.Dial("peer", IPEndPoint.Parse(address), ticket, deadline, default);
        if (job.Link != WireLink.BareTcp)
        {
            using var transport = new TcpTransport("peer", socket, options);
            Repeat(job.Total, AllReduce(job, transport, rank: 1));
            return;
        }
        byte[] bytes = new byte[job.NumBytes];
        socket.SendTimeout = 0;
        Repeat(job.Total, () =>
        {
            ReceiveAll(socket, bytes);
            socket.Send(bytes);
        });
    }

    private static Latencies MeasureAllReduce(WireJob job, Transport transport)
    {
        string name = job.Link switch
        {
            WireLink.SharedMemory => "all-reduce, shared memory",
            WireLink.Tcp => "all-reduce, TCP",
            _ => "all-reduce, TCP sealed",
        };
        return Latencies.Measure(name, job.WarmUp, job.Count, AllReduce(job, transport, rank: 0));
    }

    /// <summary>One all-reduce of a row between two even ranks, as after each row-parallel matmul of a decode step.</summary>
    private static Action AllReduce(WireJob job, Transport transport, int rank)
    {
        int numColumns = job.NumBytes / sizeof(float);
        var device = CpuDevice.Create(threads: 1);
        var set = new TransportSet([transport], new WaitPolicy(job.Pauses, job.Yields));
        Transport?[] transports = rank == 0 ? [null, transport] : [transport, null];
        var group = new NetProcessGroup(rank, transports, set, new ProcessGroupOptions(), default);
        Reduction reduction = Reduction.OfLeaves(Partition.Even(2), 16);
        PartialLayout layout = reduction.Ranks[rank];
        var memory = new NativeBuffer((nint)job.NumBytes * layout.Nodes.Length);
        var values = new Tensor(memory.Address, layout.Nodes.Length, numColumns, numColumns);
        return () =>
        {
            device.Arena.Reset();
            group.AllReduce(device, reduction, new PartialSums(layout, values, 1));
            GC.KeepAlive(memory);
        };
    }

    private static TransportOptions Options(WireLink link, LinkTicket ticket, LinkRole role) => new()
    {
        Epoch = 1,
        Cipher = link == WireLink.SealedTcp ? LinkCipher.Derive(ticket.Bytes, ticket.Bytes, ticket.Bytes, role) : null,
    };

    private static void Repeat(int count, Action operation)
    {
        for (int i = 0; i < count; i++) operation();
    }

    private static void ReceiveAll(Socket socket, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int received = socket.Receive(bytes);
            if (received == 0) throw new EndOfStreamException("the peer left");
            bytes = bytes[received..];
        }
    }
}
