using System.Numerics;
using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// Adds the parts of the experts: inside each leaf round(weight * part) by the tree over expert index, the shared expert's part last;
/// then the tree over leaves. A row is (token, chunk of columns), so that one token occupies the whole team.
/// </summary>
internal unsafe struct ExpertSumOp : IRowOp
{
    /// <summary>Columns of a row: few where one token must occupy the team, many where long reads of memory matter more.</summary>
    public int Chunk;
    public ExpertGroups Groups;
    public int* Experts;
    public float* Weights;
    public int ExpertsPerToken;
    public int NumExperts;

    /// <summary>[leaves held, entries, hidden].</summary>
    public float* Parts;

    /// <summary>Floats between the parts of two leaves.</summary>
    public nint LeafStride;
    public int FirstLeaf;

    /// <summary>[shared leaves held, tokens, hidden], or null.</summary>
    public float* SharedParts;
    public nint SharedLeafStride;
    public int FirstSharedLeaf;
    public PartialNode* Nodes;
    public int NumNodes;

    /// <summary>The layout's NumExperts and NumLeaves.</summary>
    public int NumSplitExperts;
    public int NumLeaves;

    /// <summary>Token 0 of these sums; node n of token t lies at row n * NodeStride + t.</summary>
    public float* Output;
    public nint OutputStride;
    public nint NodeStride;
    public byte* Present;
    public int NumColumns;

    /// <summary>Chunks of a token.</summary>
    public readonly int NumChunks => (NumColumns + Chunk - 1) / Chunk;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        // One slot for each level of both trees, and one above.
        int numSlots = BitOperations.Log2((uint)NumLeaves) + BitOperations.Log2((uint)Math.Max(1, NumExperts)) + 5;
        float* slots = stackalloc float[numSlots * Chunk];
        for (int row = start; row < end; row++)
        {
            (int token, int chunk) = Math.DivRem(row, NumChunks);
            var cell = new Cell { Token = token, Column = chunk * Chunk, Count = Math.Min(Chunk, NumColumns - (chunk * Chunk)) };
            for (int node = 0; node < NumNodes; node++)
            {
                nint index = (node * NodeStride) + token;
                bool isPresent = Node<TSimd, TVector>(Nodes[node], cell, slots);
                if (Present != null) Present[index] = isPresent ? (byte)1 : (byte)0;
                var output = new Span<float>(Output + (index * OutputStride) + cell.Column, cell.Count);
                if (isPresent) new ReadOnlySpan<float>(slots, cell.Count).CopyTo(output);
                else output.Clear();
            }
        }
    }

    // The sum of a node into the first slot; false where it has none.
    private readonly bool Node<TSimd, TVector>(PartialNode node, Cell cell, float* slots)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        if (NumSplitExperts == 0) return Leaves<TSimd, TVector>(node.FirstLeaf, node.EndLeaf, cell, slots);
        if (node.FirstExpert == NumSplitExperts) return Shared(node.FirstLeaf, cell, slots);
        return Routed<TSimd, TVector>(node.FirstLeaf, node.FirstExpert, node.EndExpert, cell, slots);
    }

    // The tree over leaves; a right side goes to the next slot where the left one is present, to the same slot where it is not.
    private readonly bool Leaves<TSimd, TVector>(int start, int end, Cell cell, float* slot)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        bool left, right;
        if (end - start > 1)
        {
            int middle = ReductionTree.SplitBalanced(start, end);
            left = Leaves<TSimd, TVector>(start, middle, cell, slot);
            right = Leaves<TSimd, TVector>(middle, end, cell, left ? slot + Chunk : slot);
        }
        else
        {
            left = Routed<TSimd, TVector>(start, 0, NumExperts, cell, slot);
            right = SharedParts != null && Shared(start, cell, left ? slot + Chunk : slot);
        }
        if (left && right) AddOp.Columns<TSimd, TVector>(slot, slot + Chunk, slot, cell.Count);
        return left || right;
    }

    // The chosen experts in [start, end), which all are held.
    private readonly bool Routed<TSimd, TVector>(int leaf, int start, int end, Cell cell, float* slot)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int* chosen = Experts + ((nint)cell.Token * ExpertsPerToken);
        int low = 0;
        while (low < ExpertsPerToken && chosen[low] < start) low++;
        int high = low;
        while (high < ExpertsPerToken && chosen[high] < end) high++;
        if (low == high) return false;
        Choices<TSimd, TVector>(leaf, start, end, low, high, cell, slot);
        return true;
    }

    // The tree over experts [start, end), of which the choices [low, high), at least one, are present.
    private readonly void Choices<TSimd, TVector>(int leaf, int start, int end, int low, int high, Cell cell, float* slot)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        nint pair = (nint)cell.Token * ExpertsPerToken;
        while (high - low > 1)
        {
            int middle = ReductionTree.SplitGrowing(start, end), split = low;
            while (split < high && Experts[pair + split] < middle) split++;
            if (split > low && split < high)
            {
                Choices<TSimd, TVector>(leaf, start, middle, low, split, cell, slot);
                Choices<TSimd, TVector>(leaf, middle, end, split, high, cell, slot + Chunk);
                AddOp.Columns<TSimd, TVector>(slot, slot + Chunk, slot, cell.Count);
                return;
            }
            (start, end) = split == low ? (middle, end) : (start, middle);
        }
        float* part = Parts + ((leaf - FirstLeaf) * LeafStride) + ((nint)Groups.EntryOf[pair + low] * NumColumns) + cell.Column;
        Weigh<TSimd, TVector>(part, Weights[pair + low], slot, cell.Count);
    }

    private static void Weigh<TSimd, TVector>(float* part, float weight, float* output, int n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector factor = TSimd.Broadcast(weight);
        int i = 0;
        for (; i <= n - TSimd.Width; i += TSimd.Width) TSimd.Store(output + i, TSimd.Multiply(TSimd.Load(part + i), factor));
        for (; i < n; i++) output[i] = part[i] * weight;
    }

    private readonly bool Shared(int leaf, Cell cell, float* slot)
    {
        float* part = SharedParts + ((leaf - FirstSharedLeaf) * SharedLeafStride) + ((nint)cell.Token * NumColumns) + cell.Column;
        new ReadOnlySpan<float>(part, cell.Count).CopyTo(new Span<float>(slot, cell.Count));
        return true;
    }

    private struct Cell
    {
        public int Token;
        public int Column;
        public int Count;
    }
}
