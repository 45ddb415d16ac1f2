using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Collectives;
using Exo.Testing;

namespace Exo.Model.Tests.Sharding;

/// <summary>A mutation: adds the nodes from the first to the last instead of by the tree, on every rank alike.</summary>
internal sealed class WrongOrderGroup(ProcessGroup inner) : ProcessGroup
{
    public override int Rank => inner.Rank;

    public override int WorldSize => inner.WorldSize;

    public static RankGroups[] Connect(int tensorRanks, int stages) =>
        ThreadGroup.Connect(tensorRanks, stages, worldSize => [.. ThreadGroup.Create(worldSize).Select(group => new WrongOrderGroup(group))]);

    public override unsafe Tensor AllReduce(Device device, Reduction reduction, PartialSums partial)
    {
        if (partial.Present != 0 || WorldSize == 1) return inner.AllReduce(device, reduction, partial);
        int numTokens = partial.NumTokens, n = partial.Values.NumColumns;
        var local = new float[reduction.Ranks.Max(rank => rank.Nodes.Length) * numTokens * n];
        for (int i = 0; i < partial.Values.NumRows * n; i++) local[i] = partial.Values.Pointer[i];
        var all = new float[local.Length * WorldSize];
        inner.AllGather(System.Runtime.InteropServices.MemoryMarshal.AsBytes(local.AsSpan()), System.Runtime.InteropServices.MemoryMarshal.AsBytes(all.AsSpan()));
        var sum = new float[numTokens * n];
        for (int rank = 0; rank < WorldSize; rank++)
            for (int node = 0; node < reduction.Ranks[rank].Nodes.Length; node++)
                for (int i = 0; i < sum.Length; i++) sum[i] += all[(rank * local.Length) + (node * sum.Length) + i];
        return device.Write(sum, numTokens, n);
    }

    public override void AllGather(ReadOnlySpan<byte> local, Span<byte> all) => inner.AllGather(local, all);

    public override void Broadcast(int root, Span<byte> bytes) => inner.Broadcast(root, bytes);

    public override void Send(int rank, ReadOnlySpan<byte> bytes) => inner.Send(rank, bytes);

    public override void Receive(int rank, Span<byte> bytes) => inner.Receive(rank, bytes);
}
