using Exo.Model.Parallel;
using Exo.Net.Transports;

namespace Exo.Net.Collectives;

/// <summary>The groups of one rank of a plan: those who share its layers, and the same place in every stage.</summary>
public sealed record RankGroups(ProcessGroup Tensor, ProcessGroup Pipeline) : IDisposable
{
    /// <summary>Leaves both groups.</summary>
    public void Dispose()
    {
        (Tensor as IDisposable)?.Dispose();
        (Pipeline as IDisposable)?.Dispose();
    }
}

/// <summary>
/// Ranks of a plan inside one process: tensorRanks x numStages, rank = stage * tensorRanks + tensor rank. Each rank must be driven by a
/// thread of its own.
/// </summary>
public static class RankGrid
{
    /// <summary>Ranks connected through memory.</summary>
    public static RankGroups[] Loopback(int tensorRanks, int numStages, ProcessGroupOptions options, CancellationToken cancel)
    {
        var transport = new TransportOptions();
        return Connect(tensorRanks, numStages, (a, b) =>
        {
            (LoopbackTransport ofA, LoopbackTransport ofB) = LoopbackTransport.CreatePair($"rank {a}", $"rank {b}", transport, transport);
            return (ofA, ofB);
        }, options, cancel);
    }

    /// <summary>Ranks connected by <paramref name="connect"/>(a, b), which gives a's end and b's end; only pairs that share a group are.</summary>
    public static RankGroups[] Connect(
        int tensorRanks, int numStages, Func<int, int, (Transport OfA, Transport OfB)> connect, ProcessGroupOptions options, CancellationToken cancel)
    {
        int numRanks = tensorRanks * numStages;
        var ends = new Transport?[numRanks, numRanks];
        for (int a = 0; a < numRanks; a++)
        {
            for (int b = a + 1; b < numRanks; b++)
            {
                bool shareGroup = a / tensorRanks == b / tensorRanks || a % tensorRanks == b % tensorRanks;
                if (shareGroup) (ends[a, b], ends[b, a]) = connect(a, b);
            }
        }
        WaitPolicy policy = WaitPolicy.For(numRanks, Environment.ProcessorCount);
        var groups = new RankGroups[numRanks];
        for (int rank = 0; rank < numRanks; rank++)
        {
            (int stage, int tensorRank) = Math.DivRem(rank, tensorRanks);
            Transport?[] all = [.. Enumerable.Range(0, numRanks).Select(peer => ends[rank, peer])];
            Transport?[] tensor = [.. Enumerable.Range(0, tensorRanks).Select(peer => all[(stage * tensorRanks) + peer])];
            Transport?[] pipeline = [.. Enumerable.Range(0, numStages).Select(peer => all[(peer * tensorRanks) + tensorRank])];
            var set = new TransportSet([.. all.OfType<Transport>()], policy);
            groups[rank] = new RankGroups(Group(tensorRank, tensor, set), Group(stage, pipeline, set));
        }
        return groups;

        ProcessGroup Group(int rank, Transport?[] peers, TransportSet set) =>
            peers.Length == 1 ? new Solo() : new NetProcessGroup(rank, peers, set, options, cancel);
    }
}
