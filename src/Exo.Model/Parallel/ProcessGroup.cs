using Exo.Kernels;

namespace Exo.Model.Parallel;

/// <summary>
/// Ranks that compute one thing together. Every rank calls the same operations in the same order; one thread a rank. Passed to
/// constructors, never ambient. A peer that is gone ends the group with an exception that names it.
/// </summary>
public abstract class ProcessGroup
{
    /// <summary>This rank, 0-based.</summary>
    public abstract int Rank { get; }

    /// <summary>Ranks.</summary>
    public abstract int WorldSize { get; }

    /// <summary>
    /// Adds up the ranks' partial sums in tree order: [tokens, n], the same bits on every rank and for every way to split.
    /// <paramref name="partial"/> has the layout <c>reduction.Ranks[Rank]</c>.
    /// </summary>
    public abstract Tensor AllReduce(Device device, Reduction reduction, PartialSums partial);

    /// <summary>
    /// AllReduce of a row-parallel product. Groups that span processes send the first rows while the next are computed.
    /// </summary>
    public virtual Tensor AllReduceMatMul(Device device, Reduction reduction, Tensor x, Weight weight) =>
        AllReduce(device, reduction, device.MatMulPartial(x, weight));

    /// <summary>
    /// Every rank's bytes on every rank, in rank order: <paramref name="all"/> holds WorldSize times the bytes of
    /// <paramref name="local"/>, which is of the same length on every rank.
    /// </summary>
    public abstract void AllGather(ReadOnlySpan<byte> local, Span<byte> all);

    /// <summary>The root's bytes on every rank.</summary>
    public abstract void Broadcast(int root, Span<byte> bytes);

    /// <summary>Sends to one rank; progresses receives while it waits.</summary>
    public abstract void Send(int rank, ReadOnlySpan<byte> bytes);

    /// <summary>Receives exactly bytes.Length bytes from one rank.</summary>
    public abstract void Receive(int rank, Span<byte> bytes);
}

/// <summary>A group of one: its all-reduce only adds up what one rank supplies. Unsharded is this; there is no second path.</summary>
public sealed class Solo : ProcessGroup
{
    /// <inheritdoc/>
    public override int Rank => 0;

    /// <inheritdoc/>
    public override int WorldSize => 1;

    /// <inheritdoc/>
    public override Tensor AllReduce(Device device, Reduction reduction, PartialSums partial)
    {
        if (reduction.Program.IsSingleNode && partial.Present == 0) return partial.Values;
        Span<NodeValues> nodes = stackalloc NodeValues[partial.Layout.Nodes.Length];
        for (int node = 0; node < nodes.Length; node++)
        {
            Tensor values = partial.Node(node);
            nint present = partial.Present == 0 ? 0 : partial.Present + (node * partial.NumTokens);
            nodes[node] = new NodeValues(values.Address, values.RowStride, present);
        }
        return device.AddNodes(reduction.Program, nodes, partial.NumTokens, partial.Values.NumColumns);
    }

    /// <inheritdoc/>
    public override void AllGather(ReadOnlySpan<byte> local, Span<byte> all) => local.CopyTo(all);

    /// <inheritdoc/>
    public override void Broadcast(int root, Span<byte> bytes)
    {
    }

    /// <inheritdoc/>
    public override void Send(int rank, ReadOnlySpan<byte> bytes) => throw new InvalidOperationException("a group of one has no peer");

    /// <inheritdoc/>
    public override void Receive(int rank, Span<byte> bytes) => throw new InvalidOperationException("a group of one has no peer");
}
