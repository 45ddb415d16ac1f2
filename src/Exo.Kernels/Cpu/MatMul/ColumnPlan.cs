namespace Exo.Kernels;

/// <summary>
/// How the columns of a weight are cut: into leaves, and into the blocks of int8 activations (absolute blocks of 32 stored columns, cut
/// again where a leaf begins). All columns are local: 0 is the first one held. Also which additions follow each leaf: a leaf's sum is
/// pushed, Adds[leaf] times the two topmost sums become one, and then Emit[leaf] >= 0 says that the top is that node.
/// </summary>
internal unsafe struct ColumnPlan
{
    public const int BlockSize = 32;

    public int NumLeaves;

    public int NumNodes;

    public int NumBlocks;

    /// <summary>Sums on the stack at once, at most.</summary>
    public int MaxDepth;

    /// <summary>[NumLeaves + 1]</summary>
    public int* LeafColumns;

    /// <summary>[NumLeaves + 1]</summary>
    public int* LeafBlocks;

    /// <summary>[NumBlocks + 1]</summary>
    public int* BlockColumns;

    /// <summary>[NumLeaves]</summary>
    public int* Adds;

    /// <summary>[NumLeaves]</summary>
    public int* Emit;

    /// <summary>Cuts [startColumn, startColumn + numColumns); without leaves all of it is one. The arrays live in <paramref name="memory"/>.</summary>
    public static ColumnPlan Create(int startColumn, int numColumns, Leaves? leaves, out NativeBuffer memory)
    {
        int[] bounds = leaves?.Bounds ?? [startColumn, startColumn + numColumns];
        var leafColumns = new List<int>();
        var leafBlocks = new List<int>();
        var blockColumns = new List<int>();
        for (int leaf = 0; leaf + 1 < bounds.Length; leaf++)
        {
            leafColumns.Add(bounds[leaf] - startColumn);
            leafBlocks.Add(blockColumns.Count);
            for (int column = bounds[leaf]; column < bounds[leaf + 1]; column = ((column / BlockSize) + 1) * BlockSize)
                blockColumns.Add(column - startColumn);
        }
        leafColumns.Add(bounds[^1] - startColumn);
        leafBlocks.Add(blockColumns.Count);
        blockColumns.Add(numColumns);
        int[] adds = new int[bounds.Length - 1], emit = new int[bounds.Length - 1];
        int depth = leaves is null ? OneNode(emit) : Program(leaves, adds, emit);

        int count = leafColumns.Count + leafBlocks.Count + blockColumns.Count + adds.Length + emit.Length;
        memory = new NativeBuffer((nint)count * sizeof(int));
        int* next = (int*)memory.Address;
        return new ColumnPlan
        {
            NumLeaves = bounds.Length - 1,
            NumNodes = leaves?.Layout.Nodes.Length ?? 1,
            NumBlocks = blockColumns.Count - 1,
            MaxDepth = depth,
            LeafColumns = Store([.. leafColumns], ref next),
            LeafBlocks = Store([.. leafBlocks], ref next),
            BlockColumns = Store([.. blockColumns], ref next),
            Adds = Store(adds, ref next),
            Emit = Store(emit, ref next),
        };
    }

    private static int OneNode(int[] emit)
    {
        emit[0] = 0;
        return 1;
    }

    /// <summary>Postfix order of the balanced tree below each node of the layout.</summary>
    private static int Program(Leaves leaves, int[] adds, int[] emit)
    {
        Array.Fill(emit, -1);
        int depth = 0, maxDepth = 1;
        for (int node = 0; node < leaves.Layout.Nodes.Length; node++)
        {
            PartialNode range = leaves.Layout.Nodes[node];
            depth = 0;
            Visit(range.FirstLeaf, range.EndLeaf);
            emit[range.EndLeaf - 1 - leaves.FirstLeaf] = node;
        }
        return maxDepth;

        void Visit(int start, int end)
        {
            if (end - start == 1)
            {
                maxDepth = Math.Max(maxDepth, ++depth);
                return;
            }
            int middle = ReductionTree.SplitBalanced(start, end);
            Visit(start, middle);
            Visit(middle, end);
            adds[end - 1 - leaves.FirstLeaf]++;
            depth--;
        }
    }

    private static int* Store(int[] values, ref int* next)
    {
        int* start = next;
        values.CopyTo(new Span<int>(start, values.Length));
        next += values.Length;
        return start;
    }
}
