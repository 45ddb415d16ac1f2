using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Collectives;

namespace Exo.Testing;

/// <summary>Ranks that are threads of one process and exchange through shared arrays: a process group without a wire.</summary>
public sealed class ThreadGroup : ProcessGroup
{
    private const int TimeoutMs = 60_000;
    private readonly Shared _shared;

    private ThreadGroup(Shared shared, int rank) => (_shared, Rank) = (shared, rank);

    /// <inheritdoc/>
    public override int Rank { get; }

    /// <inheritdoc/>
    public override int WorldSize => _shared.Slots.Length;

    /// <summary>The ranks of a group.</summary>
    public static ProcessGroup[] Create(int worldSize)
    {
        if (worldSize == 1) return [new Solo()];
        var shared = new Shared(worldSize);
        return [.. Enumerable.Range(0, worldSize).Select(rank => new ThreadGroup(shared, rank))];
    }

    /// <summary>The groups of every rank of tensorRanks x stages, rank = stage * tensorRanks + tensor rank.</summary>
    public static RankGroups[] Connect(int tensorRanks, int stages) => Connect(tensorRanks, stages, Create);

    /// <summary>The same with groups made by <paramref name="create"/>.</summary>
    public static RankGroups[] Connect(int tensorRanks, int stages, Func<int, ProcessGroup[]> create)
    {
        ProcessGroup[][] tensor = [.. Enumerable.Range(0, stages).Select(_ => create(tensorRanks))]; // [stage][rank]
        ProcessGroup[][] pipeline = [.. Enumerable.Range(0, tensorRanks).Select(_ => create(stages))]; // [rank][stage]
        return [.. Enumerable.Range(0, tensorRanks * stages).Select(
            rank => new RankGroups(tensor[rank / tensorRanks][rank % tensorRanks], pipeline[rank % tensorRanks][rank / tensorRanks]))];
    }

    /// <inheritdoc/>
    public override unsafe Tensor AllReduce(Device device, Reduction reduction, PartialSums partial)
    {
        int numTokens = partial.NumTokens, n = partial.Values.NumColumns;
        var own = new NodeValues[partial.Layout.Nodes.Length];
        for (int node = 0; node < own.Length; node++)
        {
            Tensor values = partial.Node(node);
            own[node] = new NodeValues(values.Address, values.RowStride, partial.Present == 0 ? 0 : partial.Present + (node * numTokens));
        }
        _shared.Slots[Rank] = own;
        Meet();
        NodeValues[] nodes = [.. _shared.Slots.SelectMany(slot => (NodeValues[])slot!)];
        Tensor sum = device.AddNodes(reduction.Program, nodes, numTokens, n);
        Meet(); // nobody may reuse its memory before all have added
        return sum;
    }

    /// <inheritdoc/>
    public override void AllGather(ReadOnlySpan<byte> local, Span<byte> all)
    {
        _shared.Slots[Rank] = local.ToArray();
        Meet();
        int at = 0;
        foreach (object? slot in _shared.Slots)
        {
            ((byte[])slot!).CopyTo(all[at..]);
            at += local.Length;
        }
        Meet();
    }

    /// <inheritdoc/>
    public override void Broadcast(int root, Span<byte> bytes)
    {
        if (Rank == root) _shared.Slots[root] = bytes.ToArray();
        Meet();
        ((byte[])_shared.Slots[root]!).CopyTo(bytes);
        Meet();
    }

    /// <inheritdoc/>
    public override void Send(int rank, ReadOnlySpan<byte> bytes) => _shared.Mail[Rank, rank].Add(bytes.ToArray());

    /// <inheritdoc/>
    public override void Receive(int rank, Span<byte> bytes)
    {
        if (!_shared.Mail[rank, Rank].TryTake(out byte[]? message, TimeoutMs)) throw new TimeoutException($"rank {Rank} waits for rank {rank}");
        message.CopyTo(bytes);
    }

    private void Meet()
    {
        if (!_shared.Barrier.SignalAndWait(TimeoutMs)) throw new TimeoutException($"rank {Rank} waits for the others");
    }

    private sealed class Shared
    {
        public Shared(int worldSize)
        {
            Slots = new object?[worldSize];
            Barrier = new Barrier(worldSize);
            Mail = new System.Collections.Concurrent.BlockingCollection<byte[]>[worldSize, worldSize];
            for (int i = 0; i < worldSize; i++)
                for (int j = 0; j < worldSize; j++) Mail[i, j] = [];
        }

        public object?[] Slots { get; }

        public Barrier Barrier { get; }

        public System.Collections.Concurrent.BlockingCollection<byte[]>[,] Mail { get; }
    }
}
