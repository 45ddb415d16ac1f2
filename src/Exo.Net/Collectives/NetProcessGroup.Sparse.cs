using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Collectives;

/// <content>
/// All-reduce of nodes that are absent for some tokens (experts on other ranks, vocabulary rows of other ranks). A rank sends
/// <code>
/// u8[numNodes * numTokens]      1 = present
/// f32[numPresent, numColumns]   the present vectors, in order
/// </code>
/// so what is absent costs a byte.
/// </content>
public sealed partial class NetProcessGroup
{
    private Tensor AllReduceSparse(Device device, Reduction reduction, PartialSums partial)
    {
        if (!IsHostMemory(device))
            throw new NotSupportedException($"{device.Name}: sums with absent nodes need a device whose memory the host can read");
        device.Read(partial.Values);
        int numTokens = partial.NumTokens;
        int rowBytes = partial.Values.NumColumns * sizeof(float);
        int numOwnRows = partial.Values.NumRows;
        MessageKey key = NextKey();
        int[] firstRow = reduction.FirstNode;
        int perRow = 1 + rowBytes;
        Memory<byte> incoming = Grow(ref _incoming, checked(reduction.Program.NumNodes * numTokens * perRow));
        for (int peer = 0; peer < WorldSize; peer++)
        {
            int numRows = (firstRow[peer + 1] - firstRow[peer]) * numTokens;
            if (peer == Rank || numRows == 0) continue;
            Memory<byte> room = incoming.Slice(firstRow[peer] * numTokens * perRow, numRows * perRow);
            _lastTicket[peer] = _transports[peer]!.PostReceiveUpTo(key, room);
        }
        if (numOwnRows > 0)
        {
            ReadOnlyMemory<byte> packed = Pack(partial, numOwnRows, rowBytes);
            for (int i = 1; i < WorldSize; i++) PostSend((Rank + i) % WorldSize, key, packed);
        }
        Deadline deadline = NewDeadline();
        Span<NodeValues> nodes = Nodes(reduction);
        for (int rank = 0; rank < WorldSize; rank++)
        {
            int numNodes = firstRow[rank + 1] - firstRow[rank];
            if (numNodes == 0) continue;
            PartialSums ofRank = partial;
            if (rank != Rank)
            {
                WaitReceived(rank, deadline);
                int length = _transports[rank]!.ReceivedLength(FrameKind.Collective, _lastTicket[rank]);
                ReadOnlySpan<byte> message = incoming.Span.Slice(firstRow[rank] * numTokens * perRow, length);
                ofRank = Unpack(device, reduction.Ranks[rank], message, numTokens, partial.Values.NumColumns, _transports[rank]!.Peer);
            }
            for (int i = 0; i < numNodes; i++)
            {
                nint address = ofRank.Values.Address + ((nint)i * numTokens * rowBytes);
                nodes[firstRow[rank] + i] = new NodeValues(address, partial.Values.NumColumns, ofRank.Present + (i * numTokens));
            }
        }
        WaitSent(deadline);
        return device.AddNodes(reduction.Program, nodes, numTokens, partial.Values.NumColumns);
    }

    private ReadOnlyMemory<byte> Pack(PartialSums partial, int numRows, int rowBytes)
    {
        Memory<byte> packed = Grow(ref _outgoing, checked(numRows * (1 + rowBytes)));
        Span<byte> present = DeviceMemory.Bytes(partial.Present, numRows);
        present.CopyTo(packed.Span);
        int length = numRows;
        for (int row = 0; row < numRows; row++)
        {
            if (present[row] == 0) continue;
            DeviceMemory.Bytes(partial.Values.Address + ((nint)row * rowBytes), rowBytes).CopyTo(packed.Span[length..]);
            length += rowBytes;
        }
        return packed[..length];
    }

    /// <summary>Puts the present vectors where the tree looks for them; the message's length must fit what it says is present.</summary>
    private static PartialSums Unpack(
        Device device, PartialLayout layout, ReadOnlySpan<byte> message, int numTokens, int numColumns, string peer)
    {
        int numRows = layout.Nodes.Length * numTokens;
        int rowBytes = numColumns * sizeof(float);
        if (message.Length < numRows) throw new UnexpectedMessageException(peer, $"{numRows} bytes of presence", $"{message.Length} bytes");
        ReadOnlySpan<byte> flags = message[..numRows];
        int numPresent = numRows - flags.Count((byte)0);
        if (message.Length != numRows + ((long)numPresent * rowBytes))
            throw new UnexpectedMessageException(peer, $"{numPresent} vectors of {rowBytes} bytes", $"{message.Length - numRows} bytes");
        Tensor values = device.Arena.Allocate(numRows, numColumns);
        nint present = device.Arena.AllocateBytes(numRows);
        flags.CopyTo(DeviceMemory.Bytes(present, numRows));
        int offset = numRows;
        for (int row = 0; row < numRows; row++)
        {
            if (flags[row] == 0) continue;
            message.Slice(offset, rowBytes).CopyTo(DeviceMemory.Bytes(values.Address + ((nint)row * rowBytes), rowBytes));
            offset += rowBytes;
        }
        return new PartialSums(layout, values, numTokens, present);
    }
}
