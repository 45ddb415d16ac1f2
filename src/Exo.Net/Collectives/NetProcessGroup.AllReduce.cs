using System.Runtime.InteropServices;
using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Collectives;

/// <content>All-reduce: gather the nodes of the reduction tree, then add them in the tree's order (PROTOCOL.md, "All-reduce").</content>
public sealed partial class NetProcessGroup
{
    private const int MaxPieces = 8;
    private readonly List<DeviceMemory> _views = [];
    private readonly Piece[] _pieces = new Piece[MaxPieces];
    private NodeValues[] _nodes = [];
    private Device? _hostDevice;
    private int _viewsUsed;

    /// <summary>Rows of an all-reduce whose nodes are on their way.</summary>
    private readonly record struct Piece(AllReducePlan Plan, Tensor Values, Tensor Received, int FirstRow);

    /// <inheritdoc/>
    public override Tensor AllReduce(Device device, Reduction reduction, PartialSums partial)
    {
        Check(reduction, partial);
        try
        {
            _viewsUsed = 0;
            if (partial.Present != 0) return AllReduceSparse(device, reduction, partial);
            if (!IsHostMemory(device)) return AllReduceStaged(device, reduction, partial);
            device.Read(partial.Values);
            AllReducePlan plan = Choose(reduction, partial.NumTokens, partial.Values.NumColumns);
            Piece piece = Begin(device, plan, partial.Values, firstRow: 0);
            Deadline deadline = NewDeadline();
            Tensor sum = AddReceived(device, piece, deadline);
            if (plan.Route == AllReduceRoute.TwoPhase)
            {
                Tensor output = device.Arena.Allocate(plan.NumTokens, plan.NumColumns);
                Gather(plan, sum, output, deadline);
                sum = output;
            }
            WaitSent(deadline);
            return sum;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override Tensor AllReduceMatMul(Device device, Reduction reduction, Tensor x, Weight weight)
    {
        if (WorldSize == 1 || x.NumRows < 2 * _options.PipelineRows || !IsHostMemory(device))
            return AllReduce(device, reduction, device.MatMulPartial(x, weight));
        try
        {
            return AllReducePipelined(device, reduction, x, weight);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private Tensor AllReducePipelined(Device device, Reduction reduction, Tensor x, Weight weight)
    {
        _viewsUsed = 0;
        int numRows = x.NumRows;
        int numPieces = Math.Min(numRows / _options.PipelineRows, MaxPieces);
        for (int i = 0; i < numPieces; i++)
        {
            int firstRow = (int)((long)numRows * i / numPieces);
            int endRow = (int)((long)numRows * (i + 1) / numPieces);
            PartialSums partial = device.MatMulPartial(x.Rows(firstRow, endRow), weight);
            Check(reduction, partial);
            device.Read(partial.Values);
            _pieces[i] = Begin(device, Choose(reduction, endRow - firstRow, weight.NumRows), partial.Values, firstRow);
            _set.Progress();
        }
        Tensor output = device.Arena.Allocate(numRows, weight.NumRows);
        Deadline deadline = NewDeadline();
        for (int i = 0; i < numPieces; i++)
        {
            Piece piece = _pieces[i];
            Tensor sum = AddReceived(device, piece, deadline);
            Tensor rows = output.Rows(piece.FirstRow, piece.FirstRow + piece.Plan.NumTokens);
            if (piece.Plan.Route == AllReduceRoute.TwoPhase) Gather(piece.Plan, sum, rows, deadline);
            else Copy(sum.Address, rows.Address, piece.Plan.NodeElements);
        }
        WaitSent(deadline);
        return output;
    }

    private AllReducePlan Choose(Reduction reduction, int numTokens, int numColumns) =>
        AllReducePlan.Choose(reduction, numTokens, numColumns, _options.TwoPhaseSavedBytes);

    /// <summary>Posts the receives of other ranks' nodes over this rank's range, and sends own nodes over the others' ranges.</summary>
    private Piece Begin(Device device, AllReducePlan plan, Tensor values, int firstRow)
    {
        MessageKey key = NextKey();
        (long start, long end) = plan.RangeOf(Rank);
        int numOwn = plan.Reduction.Ranks[Rank].Nodes.Length;
        int count = (int)(end - start);
        Tensor received = device.Arena.Allocate(plan.Reduction.Program.NumNodes - numOwn, count);
        nint address = received.Address;
        for (int peer = 0; peer < WorldSize; peer++)
        {
            int numNodes = plan.Reduction.Ranks[peer].Nodes.Length;
            if (peer == Rank || numNodes == 0 || count == 0) continue;
            // In one shot a rank's nodes are one message; in ranges each node is one.
            int numMessages = plan.Route == AllReduceRoute.OneShot ? 1 : numNodes;
            long messageBytes = (long)numNodes / numMessages * count * sizeof(float);
            for (int i = 0; i < numMessages; i++) PostReceive(peer, key, View(address + (nint)(i * messageBytes), messageBytes));
            address += (nint)(numMessages * messageBytes);
        }
        for (int i = 1; i < WorldSize; i++) SendNodes((Rank + i) % WorldSize, key, plan, values, numOwn);
        return new Piece(plan, values, received, firstRow);
    }

    private void SendNodes(int peer, in MessageKey key, in AllReducePlan plan, Tensor values, int numNodes)
    {
        (long start, long end) = plan.RangeOf(peer);
        if (numNodes == 0 || end == start) return;
        if (plan.Route == AllReduceRoute.OneShot)
        {
            PostSend(peer, key, View(values.Address, numNodes * plan.NodeElements * sizeof(float)));
            return;
        }
        for (int node = 0; node < numNodes; node++)
        {
            nint address = values.Address + (nint)(((node * plan.NodeElements) + start) * sizeof(float));
            PostSend(peer, key, View(address, (end - start) * sizeof(float)));
        }
    }

    /// <summary>Waits for the nodes and evaluates the tree over this rank's range.</summary>
    private Tensor AddReceived(Device device, in Piece piece, Deadline deadline)
    {
        AllReducePlan plan = piece.Plan;
        (long Start, long End) range = plan.RangeOf(Rank);
        (int rows, int columns) = plan.ShapeOf(range);
        Span<NodeValues> nodes = Nodes(plan.Reduction);
        nint received = piece.Received.Address;
        for (int rank = 0; rank < WorldSize; rank++)
        {
            int numNodes = plan.Reduction.Ranks[rank].Nodes.Length;
            if (rank != Rank && numNodes > 0 && range.End > range.Start) WaitReceived(rank, deadline);
            for (int i = 0; i < numNodes; i++)
            {
                nint address = rank == Rank ? piece.Values.Address + (nint)(((i * plan.NodeElements) + range.Start) * sizeof(float)) : received;
                if (rank != Rank) received += (nint)((range.End - range.Start) * sizeof(float));
                nodes[plan.Reduction.FirstNode[rank] + i] = new NodeValues(address, columns, 0);
            }
        }
        return device.AddNodes(plan.Reduction.Program, nodes, rows, columns);
    }

    /// <summary>The second phase: every rank's range of sums on every rank.</summary>
    private void Gather(AllReducePlan plan, Tensor sum, Tensor output, Deadline deadline)
    {
        MessageKey key = NextKey();
        (long ownStart, long ownEnd) = plan.RangeOf(Rank);
        nint own = output.Address + (nint)(ownStart * sizeof(float));
        Copy(sum.Address, own, ownEnd - ownStart);
        for (int peer = 0; peer < WorldSize; peer++)
        {
            (long start, long end) = plan.RangeOf(peer);
            if (peer != Rank && end > start) PostReceive(peer, key, View(output.Address + (nint)(start * sizeof(float)), (end - start) * sizeof(float)));
        }
        for (int i = 1; i < WorldSize && ownEnd > ownStart; i++) PostSend((Rank + i) % WorldSize, key, View(own, (ownEnd - ownStart) * sizeof(float)));
        for (int peer = 0; peer < WorldSize; peer++)
        {
            (long start, long end) = plan.RangeOf(peer);
            if (peer != Rank && end > start) WaitReceived(peer, deadline);
        }
    }

    /// <summary>A device whose memory the host cannot read: through host buffers, in one shot.</summary>
    private Tensor AllReduceStaged(Device device, Reduction reduction, PartialSums partial)
    {
        var plan = new AllReducePlan(reduction, partial.NumTokens, partial.Values.NumColumns, AllReduceRoute.OneShot);
        ReadOnlySpan<byte> values = MemoryMarshal.AsBytes(device.Read(partial.Values));
        values.CopyTo(Grow(ref _outgoing, values.Length).Span);
        int nodeBytes = checked((int)(plan.NodeElements * sizeof(float)));
        Memory<byte> incoming = Grow(ref _incoming, checked(nodeBytes * reduction.Program.NumNodes));
        MessageKey key = NextKey();
        for (int peer = 0; peer < WorldSize; peer++)
        {
            int numBytes = nodeBytes * reduction.Ranks[peer].Nodes.Length;
            if (peer != Rank && numBytes > 0) PostReceive(peer, key, incoming.Slice(reduction.FirstNode[peer] * nodeBytes, numBytes));
        }
        for (int i = 1; i < WorldSize && values.Length > 0; i++) PostSend((Rank + i) % WorldSize, key, _outgoing.AsMemory(0, values.Length));
        Deadline deadline = NewDeadline();
        Span<NodeValues> nodes = Nodes(reduction);
        for (int rank = 0; rank < WorldSize; rank++)
        {
            int first = reduction.FirstNode[rank];
            int numNodes = reduction.FirstNode[rank + 1] - first;
            if (numNodes == 0) continue;
            Tensor ofRank = partial.Values;
            if (rank != Rank)
            {
                WaitReceived(rank, deadline);
                ReadOnlySpan<byte> bytes = incoming.Span.Slice(first * nodeBytes, numNodes * nodeBytes);
                ofRank = device.Write(MemoryMarshal.Cast<byte, float>(bytes), numNodes * plan.NumTokens, plan.NumColumns);
            }
            for (int i = 0; i < numNodes; i++)
                nodes[first + i] = new NodeValues(ofRank.Address + (i * nodeBytes), ofRank.RowStride, 0);
        }
        WaitSent(deadline);
        return device.AddNodes(reduction.Program, nodes, plan.NumTokens, plan.NumColumns);
    }

    private void Check(Reduction reduction, PartialSums partial)
    {
        if (reduction.Ranks.Length != WorldSize) throw new ShapeException($"a reduction over {reduction.Ranks.Length} ranks in a group of {WorldSize}");
        int numRows = reduction.Ranks[Rank].Nodes.Length * partial.NumTokens;
        if (partial.Values.NumRows != numRows || !partial.Values.IsContiguous)
            throw new ShapeException($"expected contiguous partial sums of {numRows} rows, got {partial.Values}");
    }

    private bool IsHostMemory(Device device)
    {
        if (ReferenceEquals(_hostDevice, device)) return true;
        Tensor probe = device.Arena.Allocate(1, 1);
        if (!DeviceMemory.IsAt(device.Read(probe), probe.Address)) return false;
        _hostDevice = device;
        return true;
    }

    private Span<NodeValues> Nodes(Reduction reduction)
    {
        if (_nodes.Length < reduction.Program.NumNodes) _nodes = new NodeValues[reduction.Program.NumNodes];
        return _nodes.AsSpan(0, reduction.Program.NumNodes);
    }

    /// <summary>A view of memory that is valid until the operation ends.</summary>
    private Memory<byte> View(nint address, long numBytes)
    {
        if (_viewsUsed == _views.Count) _views.Add(new DeviceMemory());
        return _views[_viewsUsed++].At(address, numBytes);
    }

    private static void Copy(nint source, nint destination, long numElements) =>
        DeviceMemory.Bytes(source, numElements * sizeof(float)).CopyTo(DeviceMemory.Bytes(destination, numElements * sizeof(float)));
}
