namespace Exo.Kernels;

/// <summary>
/// How the nodes that all ranks supply are added up: a postfix program, made once from the ranks' layouts, that evaluates the
/// reduction tree. An instruction &gt;= 0 pushes that node (nodes are numbered through, rank by rank); <see cref="Add"/> replaces the
/// two topmost values by their sum. An absent value is skipped: absent + x = x, without an addition.
/// </summary>
public sealed class ReductionProgram
{
    /// <summary>The instruction that adds the two topmost values.</summary>
    public const int Add = -1;

    private ReductionProgram(int[] instructions, int numNodes)
    {
        Instructions = instructions;
        NumNodes = numNodes;
        int depth = 0;
        foreach (int instruction in instructions)
        {
            depth += instruction == Add ? -1 : 1;
            MaxDepth = Math.Max(MaxDepth, depth);
        }
        IsSingleNode = instructions is [0];
    }

    /// <summary>Postfix instructions.</summary>
    public int[] Instructions { get; }

    /// <summary>Nodes of all ranks together.</summary>
    public int NumNodes { get; }

    /// <summary>Values on the stack at once, at most.</summary>
    public int MaxDepth { get; }

    /// <summary>True when the one node is the sum already.</summary>
    public bool IsSingleNode { get; }

    /// <summary>The program for ranks with these layouts, which must cover the reduction exactly once.</summary>
    public static ReductionProgram Compile(ReadOnlySpan<PartialLayout> ranks)
    {
        if (ranks.Length == 0) throw new ShapeException("a reduction over no ranks");
        var index = new Dictionary<PartialNode, int>();
        int numLeaves = ranks[0].NumLeaves, numExperts = 0;
        foreach (PartialLayout rank in ranks)
        {
            if (rank.NumLeaves != numLeaves) throw new ShapeException($"ranks disagree on the leaves: {numLeaves} and {rank.NumLeaves}");
            numExperts = Math.Max(numExperts, rank.NumExperts);
            foreach (PartialNode node in rank.Nodes)
                if (!index.TryAdd(node, index.Count)) throw new ShapeException($"two ranks supply the node {node}");
        }
        var instructions = new List<int>();
        int used = 0;
        EmitLeaves(0, numLeaves);
        if (used != index.Count) throw new ShapeException($"{index.Count - used} nodes of the reduction overlap others");
        return new ReductionProgram([.. instructions], index.Count);

        void EmitLeaves(int start, int end)
        {
            if (TryPush(new PartialNode(start, end))) return;
            if (end - start == 1 && numExperts > 0)
            {
                EmitExperts(start, 0, numExperts);
                if (TryPush(new PartialNode(start, end, numExperts, numExperts + 1))) instructions.Add(Add);
                return;
            }
            if (end - start <= 1) throw new ShapeException($"no rank supplies leaf {start} of {numLeaves}");
            int middle = ReductionTree.SplitBalanced(start, end);
            EmitLeaves(start, middle);
            EmitLeaves(middle, end);
            instructions.Add(Add);
        }

        void EmitExperts(int leaf, int start, int end)
        {
            if (TryPush(new PartialNode(leaf, leaf + 1, start, end))) return;
            if (end - start <= 1) throw new ShapeException($"no rank supplies expert {start} of leaf {leaf}");
            int middle = ReductionTree.SplitGrowing(start, end);
            EmitExperts(leaf, start, middle);
            EmitExperts(leaf, middle, end);
            instructions.Add(Add);
        }

        bool TryPush(PartialNode node)
        {
            if (!index.TryGetValue(node, out int number)) return false;
            instructions.Add(number);
            used++;
            return true;
        }
    }
}

/// <summary>Where the vectors of one node lie: [tokens, n] from Address, rows RowStride elements apart; Present as in PartialSums.</summary>
public readonly record struct NodeValues(nint Address, int RowStride, nint Present);
