namespace Exo.Kernels;

/// <summary>
/// One node of a reduction: the sum over the leaves [FirstLeaf, EndLeaf), and inside them over the experts [FirstExpert, EndExpert).
/// Without experts both are 0; a shared expert is the index after the last routed one.
/// </summary>
public readonly record struct PartialNode(int FirstLeaf, int EndLeaf, int FirstExpert = 0, int EndExpert = 0);

/// <summary>Which nodes of a reduction one rank supplies, fixed when the weights are loaded.</summary>
public sealed class PartialLayout
{
    /// <summary>Nodes of a rank, in ascending order.</summary>
    public PartialLayout(int numLeaves, int numExperts, PartialNode[] nodes)
    {
        NumLeaves = numLeaves;
        NumExperts = numExperts;
        Nodes = nodes;
    }

    /// <summary>Leaves of the whole reduction.</summary>
    public int NumLeaves { get; }

    /// <summary>Routed experts whose sums are split over ranks; 0 where each rank adds all of its leaves' experts itself.</summary>
    public int NumExperts { get; }

    /// <summary>The nodes, in the order of their values.</summary>
    public PartialNode[] Nodes { get; }

    /// <summary>The maximal subtrees over the leaves [firstLeaf, endLeaf): at most 6 of 16.</summary>
    public static PartialLayout OfLeaves(int numLeaves, int firstLeaf, int endLeaf) =>
        new(numLeaves, 0, [.. ReductionTree.Cover(numLeaves, firstLeaf, endLeaf, ReductionTree.SplitBalanced)
            .Select(node => new PartialNode(node.Start, node.End))]);

    /// <summary>
    /// Experts split over ranks: for each leaf in [firstLeaf, endLeaf) the maximal subtrees over the experts [firstExpert, endExpert),
    /// and the shared expert's own sum where <paramref name="hasShared"/> leaves [firstShared, endShared) are held.
    /// </summary>
    public static PartialLayout OfExperts(
        int numLeaves, int firstLeaf, int endLeaf, int numExperts, int firstExpert, int endExpert, int firstShared, int endShared)
    {
        var nodes = new List<PartialNode>();
        var cover = ReductionTree.Cover(numExperts, firstExpert, endExpert, ReductionTree.SplitGrowing);
        for (int leaf = 0; leaf < numLeaves; leaf++)
        {
            if (firstLeaf <= leaf && leaf < endLeaf)
                foreach ((int start, int end) in cover) nodes.Add(new PartialNode(leaf, leaf + 1, start, end));
            if (firstShared <= leaf && leaf < endShared) nodes.Add(new PartialNode(leaf, leaf + 1, numExperts, numExperts + 1));
        }
        return new PartialLayout(numLeaves, numExperts, [.. nodes]);
    }
}

/// <summary>
/// What a row-parallel product yields before ranks are added up: for each node of <see cref="Layout"/> a vector per token.
/// Values: [numNodes * NumTokens, n], node-major. Present: null where every node is present for every token, else a byte
/// [numNodes * NumTokens], 1 = present; values of absent nodes are undefined.
/// </summary>
public readonly struct PartialSums(PartialLayout layout, Tensor values, int numTokens, nint present = 0)
{
    /// <summary>The nodes.</summary>
    public PartialLayout Layout { get; } = layout;

    /// <summary>[numNodes * NumTokens, n], node-major.</summary>
    public Tensor Values { get; } = values;

    /// <summary>Tokens.</summary>
    public int NumTokens { get; } = numTokens;

    /// <summary>Address of [numNodes * NumTokens] bytes, or 0.</summary>
    public nint Present { get; } = present;

    /// <summary>The vectors of a node, [NumTokens, n].</summary>
    public Tensor Node(int node) => Values.Rows(node * NumTokens, (node + 1) * NumTokens);
}
