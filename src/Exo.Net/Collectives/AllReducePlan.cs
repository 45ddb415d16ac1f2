using Exo.Model.Parallel;
using Exo.Net.Wire;

namespace Exo.Net.Collectives;

/// <summary>How the values of an all-reduce travel.</summary>
public enum AllReduceRoute
{
    /// <summary>Every rank sends its nodes to every other; all add everything. One trip.</summary>
    OneShot,

    /// <summary>Rank j gets everybody's nodes for its range of elements, adds them, and sends the sums to all. Two trips, fewer bytes.</summary>
    TwoPhase,
}

/// <summary>
/// The arithmetic of an all-reduce of [numTokens, numColumns], the same on every rank: the route, the ranges of elements, and the
/// bytes on the wire (PROTOCOL.md). Both routes add whole trees, never parts in the order of arrival, so they give the same bits.
/// </summary>
public readonly record struct AllReducePlan(Reduction Reduction, int NumTokens, int NumColumns, AllReduceRoute Route)
{
    private const int ElementBytes = sizeof(float);

    // Ranges inside one row begin at multiples of a cache line.
    private const int RangeUnit = 16;

    /// <summary>Elements of one node: numTokens * numColumns.</summary>
    public long NodeElements => (long)NumTokens * NumColumns;

    private int WorldSize => Reduction.Ranks.Length;

    /// <summary>
    /// Two phases where they save at least <paramref name="savedBytes"/> in the group as a whole: a trip more must be paid for. A lone
    /// vector between two ranks costs the same bytes either way.
    /// </summary>
    public static AllReducePlan Choose(Reduction reduction, int numTokens, int numColumns, long savedBytes)
    {
        var oneShot = new AllReducePlan(reduction, numTokens, numColumns, AllReduceRoute.OneShot);
        var twoPhase = oneShot with { Route = AllReduceRoute.TwoPhase };
        return oneShot.TotalPayloadBytes() - twoPhase.TotalPayloadBytes() >= savedBytes ? twoPhase : oneShot;
    }

    /// <summary>Elements [Start, End) of every node that a rank adds up: whole rows if there are enough of them.</summary>
    public (long Start, long End) RangeOf(int rank)
    {
        if (Route == AllReduceRoute.OneShot) return (0, NodeElements);
        long unit = NumTokens >= WorldSize ? NumColumns : RangeUnit;
        long numUnits = (NodeElements + unit - 1) / unit;
        return (Math.Min(unit * (numUnits * rank / WorldSize), NodeElements), Math.Min(unit * (numUnits * (rank + 1) / WorldSize), NodeElements));
    }

    /// <summary>A range as a matrix: [rows, columns], contiguous.</summary>
    public (int Rows, int Columns) ShapeOf((long Start, long End) range)
    {
        long count = range.End - range.Start;
        return count % NumColumns == 0 && range.Start % NumColumns == 0 ? ((int)(count / NumColumns), NumColumns) : (1, (int)count);
    }

    /// <summary>Payload bytes that a rank sends to all others together.</summary>
    public long PayloadBytes(int rank)
    {
        long bytes = 0;
        foreach (long message in Messages(rank)) bytes += message;
        return bytes;
    }

    /// <summary>Bytes that a rank sends to all others together, headers and tags included.</summary>
    public long WireBytes(int rank, long bytesPerFrame)
    {
        long bytes = 0;
        foreach (long message in Messages(rank))
            bytes += message + (bytesPerFrame * Math.Max(1, (message + FrameHeader.MaxPayload - 1) / FrameHeader.MaxPayload));
        return bytes;
    }

    /// <summary>Payload bytes of each message that a rank sends.</summary>
    private IEnumerable<long> Messages(int rank)
    {
        int numNodes = Reduction.Ranks[rank].Nodes.Length;
        for (int peer = 0; peer < WorldSize; peer++)
        {
            if (peer == rank) continue;
            (long start, long end) = RangeOf(peer);
            if (Route == AllReduceRoute.OneShot)
            {
                if (numNodes > 0) yield return numNodes * NodeElements * ElementBytes;
                continue;
            }
            if (end > start)
            {
                for (int node = 0; node < numNodes; node++) yield return (end - start) * ElementBytes;
            }
            (long ownStart, long ownEnd) = RangeOf(rank);
            if (ownEnd > ownStart) yield return (ownEnd - ownStart) * ElementBytes;
        }
    }

    private long TotalPayloadBytes()
    {
        // The same sum as over all Messages, without walking them: this runs for every operation.
        long numNodes = Reduction.Program.NumNodes;
        return Route == AllReduceRoute.OneShot
            ? numNodes * NodeElements * ElementBytes * (WorldSize - 1)
            : (numNodes + WorldSize) * NodeElements * ElementBytes / WorldSize * (WorldSize - 1);
    }
}
