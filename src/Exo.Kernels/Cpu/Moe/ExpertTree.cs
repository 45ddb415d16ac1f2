namespace Exo.Kernels.Cpu;

/// <summary>
/// The additions over experts of many tokens as a list, the same for every leaf and column: for each pair, in order, the sum of entry
/// <c>Left</c> becomes Left + Right. Afterwards a token's sum over a range of experts is in the entry that <see cref="Heads"/> names.
/// </summary>
internal unsafe struct ExpertTree
{
    private Routing _routing;
    private ExpertGroups _groups;

    /// <summary>Weight of each entry.</summary>
    public float* EntryWeights { get; private set; }

    /// <summary>[NumPairs][2]: left and right entry.</summary>
    public int* Pairs { get; private set; }

    /// <summary>Pairs of all tokens.</summary>
    public int NumPairs { get; private set; }

    /// <summary>[ranges][tokens]: entry of a token's sum over a range of experts, -1 where none of them was chosen.</summary>
    public int* Heads { get; private set; }

    /// <summary>[nodes]: range of each node of the layout, -1 for a shared expert's.</summary>
    public int* RangeOfNode { get; private set; }

    /// <summary>Bytes of memory that <see cref="TryBuild"/> needs.</summary>
    public static nint Bytes(Routing routing, PartialLayout layout)
    {
        nint pairs = (nint)routing.NumTokens * routing.ExpertsPerToken, nodes = Math.Max(layout.Nodes.Length, 1);
        return sizeof(int) * ((3 * pairs) + (nodes * routing.NumTokens) + nodes);
    }

    /// <summary>
    /// The additions below the nodes of <paramref name="layout"/>. False where they are not the same in every leaf (a rank that holds
    /// neither all experts nor one run of them) and each leaf wants a tree of its own.
    /// </summary>
    public static bool TryBuild(Routing routing, ExpertGroups groups, PartialLayout layout, nint memory, out ExpertTree tree)
    {
        int numTokens = routing.NumTokens, numPairs = numTokens * routing.ExpertsPerToken, numNodes = layout.Nodes.Length;
        tree = new ExpertTree { _routing = routing, _groups = groups, EntryWeights = (float*)memory };
        tree.Pairs = (int*)(tree.EntryWeights + numPairs);
        tree.RangeOfNode = tree.Pairs + (2 * numPairs);
        tree.Heads = tree.RangeOfNode + Math.Max(numNodes, 1);
        for (int pair = 0; pair < numPairs; pair++)
            if (groups.EntryOf[pair] >= 0) tree.EntryWeights[groups.EntryOf[pair]] = ((float*)routing.Weights)[pair];
        if (layout.NumExperts == 0)
        {
            if (groups.Count != numPairs) return false;
            new Span<int>(tree.RangeOfNode, numNodes).Clear();
            tree.AddRange(0, 0, groups.NumExperts);
            return true;
        }
        return tree.TryAddRanges(layout);
    }

    // Each range of experts once; those of the first leaf must be ascending, those of the others the same.
    private bool TryAddRanges(PartialLayout layout)
    {
        PartialNode[] nodes = layout.Nodes;
        int numRanges = 0, first = -1, last = -1;
        for (int i = 0; i < nodes.Length; i++)
        {
            RangeOfNode[i] = -1;
            if (nodes[i].FirstExpert == layout.NumExperts) continue;
            if (first < 0) first = i;
            if (nodes[i].FirstLeaf == nodes[first].FirstLeaf)
            {
                if (last >= 0 && nodes[i].FirstExpert < nodes[last].EndExpert) return false;
                RangeOfNode[i] = numRanges;
                AddRange(numRanges++, nodes[i].FirstExpert, nodes[i].EndExpert);
                last = i;
                continue;
            }
            for (int j = first; j <= last; j++)
                if (nodes[j].FirstExpert == nodes[i].FirstExpert && nodes[j].EndExpert == nodes[i].EndExpert) RangeOfNode[i] = RangeOfNode[j];
            if (RangeOfNode[i] < 0) return false;
        }
        return true;
    }

    private void AddRange(int range, int start, int end)
    {
        for (int token = 0; token < _routing.NumTokens; token++)
        {
            int* chosen = (int*)_routing.Experts + ((nint)token * _routing.ExpertsPerToken);
            int low = 0;
            while (low < _routing.ExpertsPerToken && chosen[low] < start) low++;
            int high = low;
            while (high < _routing.ExpertsPerToken && chosen[high] < end) high++;
            Heads[(range * _routing.NumTokens) + token] =
                low == high ? -1 : Add(chosen, _groups.EntryOf + ((nint)token * _routing.ExpertsPerToken), start, end, low, high);
        }
    }

    // The tree over experts [start, end), of which the choices [low, high), at least one, are present: the entry that holds its sum.
    private int Add(int* chosen, int* entries, int start, int end, int low, int high)
    {
        while (high - low > 1)
        {
            int middle = ReductionTree.SplitGrowing(start, end), split = low;
            while (split < high && chosen[split] < middle) split++;
            if (split > low && split < high)
            {
                int left = Add(chosen, entries, start, middle, low, split), right = Add(chosen, entries, middle, end, split, high);
                (Pairs[2 * NumPairs], Pairs[(2 * NumPairs) + 1]) = (left, right);
                NumPairs++;
                return left;
            }
            (start, end) = split == low ? (middle, end) : (start, middle);
        }
        return entries[low];
    }
}
