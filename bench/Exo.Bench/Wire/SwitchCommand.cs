using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Collectives;
using Exo.Net.Transports;

namespace Exo.Bench.Wire;

/// <summary>`wire-switch`: one shot against two phases by size, for the switch point in ProcessGroupOptions.</summary>
public static class SwitchCommand
{
    private const int NumLeaves = 16;

    public static Command Create()
    {
        var ratios = new Option<string>("--ratios") { Description = "ranks in proportion", DefaultValueFactory = _ => "5:3" };
        var command = new Command("wire-switch", "all-reduces over TCP in one shot and in two phases") { ratios };
        command.SetAction(result =>
        {
            int[] parts = [.. result.GetRequiredValue(ratios).Split(':').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
            Console.WriteLine($"{"bytes",10} {"one shot us",12} {"two phases us",14}");
            for (int numBytes = 8192; numBytes <= 8 << 20; numBytes *= 2)
            {
                double oneShot = Measure(parts, numBytes, long.MaxValue);
                double twoPhase = Measure(parts, numBytes, long.MinValue);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{numBytes,10} {oneShot,12:F1} {twoPhase,14:F1}"));
            }
        });
        return command;
    }

    private static double Measure(int[] ratios, int numBytes, long savedBytes)
    {
        int count = Math.Clamp((64 << 20) / numBytes, 20, 2000);
        var options = new ProcessGroupOptions { TwoPhaseSavedBytes = savedBytes };
        RankGroups[] ranks = RankGrid.Connect(ratios.Length, 1, Connect, options, default);
        double p50 = 0;
        Thread[] threads = [.. ranks.Select((groups, rank) => new Thread(() =>
        {
            using (groups)
            {
                Latencies latencies = Latencies.Measure("", count / 4, count, AllReduce(groups.Tensor, ratios, numBytes));
                if (rank == 0) p50 = latencies.P50Us;
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        return p50;
    }

    private static Action AllReduce(ProcessGroup group, int[] ratios, int numBytes)
    {
        const int maxColumns = 2048;
        int numColumns = Math.Min(numBytes / sizeof(float), maxColumns);
        int numTokens = numBytes / sizeof(float) / numColumns;
        var device = CpuDevice.Create(threads: 1);
        Reduction reduction = Reduction.OfLeaves(new Partition(ratios), NumLeaves);
        PartialLayout layout = reduction.Ranks[group.Rank];
        var memory = new NativeBuffer((nint)numBytes * layout.Nodes.Length);
        var values = new Tensor(memory.Address, layout.Nodes.Length * numTokens, numColumns, numColumns);
        return () =>
        {
            device.Arena.Reset();
            group.AllReduce(device, reduction, new PartialSums(layout, values, numTokens));
            GC.KeepAlive(memory);
        };
    }

    private static (Transport OfA, Transport OfB) Connect(int a, int b)
    {
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        Deadline deadline = Deadline.After(TimeSpan.FromSeconds(10));
        LinkTicket ticket = LinkTicket.Create();
        Socket dialed = DataListener.Dial($"rank {b}", listener.EndPoint, ticket, deadline, default);
        (Socket accepted, _) = listener.Accept($"rank {a}", [ticket], deadline, default);
        var options = new TransportOptions();
        return (new TcpTransport($"rank {b}", dialed, options), new TcpTransport($"rank {a}", accepted, options));
    }
}
