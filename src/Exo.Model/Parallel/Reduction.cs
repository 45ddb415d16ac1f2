using Exo.Kernels;

namespace Exo.Model.Parallel;

/// <summary>
/// A reduction over the ranks of a tensor group: what each rank supplies and how the parts are added. Made once per row-parallel
/// layer; the same on every rank.
/// </summary>
public sealed class Reduction
{
    /// <summary>Ranks with these layouts, in rank order.</summary>
    public Reduction(PartialLayout[] ranks)
    {
        Ranks = ranks;
        Program = ReductionProgram.Compile(ranks);
        FirstNode = new int[ranks.Length + 1];
        for (int rank = 0; rank < ranks.Length; rank++) FirstNode[rank + 1] = FirstNode[rank] + ranks[rank].Nodes.Length;
    }

    /// <summary>Nodes of each rank.</summary>
    public PartialLayout[] Ranks { get; }

    /// <summary>How all nodes are added up.</summary>
    public ReductionProgram Program { get; }

    /// <summary>Number of a rank's first node in <see cref="Program"/>: [ranks + 1].</summary>
    public int[] FirstNode { get; }

    /// <summary>Leaves cut by a partition.</summary>
    public static Reduction OfLeaves(Partition partition, int numLeaves) => new([.. Enumerable.Range(0, partition.WorldSize).Select(rank =>
    {
        Slice leaves = partition.Of(numLeaves, rank);
        return PartialLayout.OfLeaves(numLeaves, leaves.Start, leaves.End);
    })]);
}
