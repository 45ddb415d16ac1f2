using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// The down products of many tokens and the sums over their experts, as pieces of a few panels of outputs: all experts and leaves of a
/// piece are multiplied one after the other and added as soon as a leaf is complete, so that the part of every (token, expert, leaf)
/// lives in a core's cache and never in memory.
/// </summary>
internal unsafe struct ExpertDownJob
{
    /// <summary>Panels of a piece: two, because wide kernels multiply them in pairs.</summary>
    public const int PiecePanels = 2;

    /// <summary>Entries up to which a piece's parts stay in a second-level cache of 1 MB beside what is multiplied.</summary>
    public const int MaxEntries = 4096;

    /// <summary>
    /// Prepared activations of each expert that has tokens, in the order of their entries, then those of the shared expert.
    /// </summary>
    public MatMulJob Products;

    /// <summary>States that are routed experts'; the one behind is the shared expert's, where there is one.</summary>
    public int NumExperts;
    public ExpertTree Tree;
    public int NumEntries;
    public int NumTokens;

    /// <summary>First leaves held of the experts and of the shared expert.</summary>
    public int FirstLeaf;
    public int FirstSharedLeaf;

    /// <summary>Leaf sums that the tree over leaves keeps at once.</summary>
    public int Depth;
    public PartialNode* Nodes;
    public int NumNodes;

    /// <summary>The layout's NumExperts.</summary>
    public int NumSplitExperts;

    /// <summary>Node n of token t lies at row n * NodeStride + t.</summary>
    public float* Output;
    public nint OutputStride;
    public nint NodeStride;
    public byte* Present;
    public int NumColumns;

    /// <summary>The shared expert's state, or null.</summary>
    public readonly MatMulState* Shared => NumExperts < Products.NumStates ? Products.States + NumExperts : null;

    /// <summary>Pieces of all outputs.</summary>
    public readonly int NumPieces => MatMulJob.CeilDivide(Products.States[0].Weight->Parts[0].NumPanels, PiecePanels);

    /// <summary>Bytes of scratch that a thread needs.</summary>
    public readonly nint ScratchBytes =>
        sizeof(float) * (MatMulPieces.UnpackedFloats
            + (PiecePanels * PackedWeight.PanelRows * (PartRows + SharedRows + ((nint)Depth * NumTokens))));

    /// <summary>Rows of a panel's parts: the last tile of the last expert may end behind the entries.</summary>
    public readonly nint PartRows => NumEntries + KernelTable.MaxTileRows;

    /// <summary>Rows of a panel's shared parts.</summary>
    public readonly nint SharedRows => Shared == null ? 0 : NumTokens + KernelTable.MaxTileRows;

    /// <summary>The thread team's body.</summary>
    public static void Piece<TSimd, TVector>(void* job, int piece, int worker)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => new ExpertDownPiece<TSimd, TVector>((ExpertDownJob*)job, piece, worker).Run();
}

/// <summary>One piece: its parts [panels][entries][16], leaf sums [depth][panels][tokens][16].</summary>
internal readonly unsafe struct ExpertDownPiece<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Lanes = PackedWeight.PanelRows;
    private readonly ExpertDownJob* _job;
    private readonly int _firstPanel;
    private readonly int _numPanels;
    private readonly float* _unpacked;
    private readonly float* _parts;
    private readonly float* _shared;
    private readonly float* _sums;

    public ExpertDownPiece(ExpertDownJob* job, int piece, int worker)
    {
        _job = job;
        _firstPanel = piece * ExpertDownJob.PiecePanels;
        _numPanels = Math.Min(ExpertDownJob.PiecePanels, job->Products.States[0].Weight->Parts[0].NumPanels - _firstPanel);
        _unpacked = (float*)(job->Products.Scratch + (worker * job->Products.ScratchStride));
        _parts = _unpacked + MatMulPieces.UnpackedFloats;
        _shared = _parts + (ExpertDownJob.PiecePanels * job->PartRows * Lanes);
        _sums = _shared + (ExpertDownJob.PiecePanels * job->SharedRows * Lanes);
    }

    private nint SumFloats => (nint)ExpertDownJob.PiecePanels * _job->NumTokens * Lanes;

    /// <summary>All nodes.</summary>
    public void Run()
    {
        int leaf = -1;
        for (int i = 0; i < _job->NumNodes; i++)
        {
            PartialNode node = _job->Nodes[i];
            int range = _job->Tree.RangeOfNode[i];
            int* heads = range < 0 ? null : _job->Tree.Heads + ((nint)range * _job->NumTokens);
            if (_job->NumSplitExperts == 0)
            {
                AddLeaves(node.FirstLeaf, node.EndLeaf, _sums);
                WriteNode(i, _sums, _job->NumTokens, null);
                continue;
            }
            if (range >= 0 && node.FirstLeaf != leaf) MultiplyExperts(leaf = node.FirstLeaf);
            if (range < 0) MultiplyShared(node.FirstLeaf);
            WriteNode(i, range < 0 ? _shared : _parts, range < 0 ? _job->SharedRows : _job->PartRows, heads);
        }
    }

    // The balanced tree over leaves.
    private void AddLeaves(int start, int end, float* sum)
    {
        if (end - start == 1)
        {
            AddLeaf(start, sum);
            return;
        }
        int middle = ReductionTree.SplitBalanced(start, end);
        AddLeaves(start, middle, sum);
        AddLeaves(middle, end, sum + SumFloats);
        int count = (int)SumFloats;
        AddOp.Columns<TSimd, TVector>(sum, sum + count, sum, count);
    }

    // The experts of a leaf, then the shared expert.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddLeaf(int leaf, float* sum)
    {
        MultiplyExperts(leaf);
        if (_job->Shared != null) MultiplyShared(leaf);
        for (int p = 0; p < _numPanels; p++)
        {
            float* parts = _parts + (p * _job->PartRows * Lanes), shared = _shared + (p * _job->SharedRows * Lanes);
            float* to = sum + ((nint)p * _job->NumTokens * Lanes);
            for (int t = 0; t < _job->NumTokens; t++, to += Lanes, shared += Lanes)
            {
                float* part = parts + ((nint)_job->Tree.Heads[t] * Lanes);
                if (_job->Shared != null) AddOp.Columns<TSimd, TVector>(part, shared, to, Lanes);
                else Copy(part, to);
            }
        }
    }

    // Every expert's part of a leaf, weighted while it is in the first cache, then the tree over experts for all tokens.
    private void MultiplyExperts(int leaf)
    {
        nint entry = 0, panelFloats = _job->PartRows * Lanes;
        for (int e = 0; e < _job->NumExperts; e++)
        {
            MatMulState* state = _job->Products.States + e;
            Multiply(state, leaf - _job->FirstLeaf, _parts + (entry * Lanes), _job->PartRows);
            for (int p = 0; p < _numPanels; p++)
                Weigh(_parts + (p * panelFloats) + (entry * Lanes), _job->Tree.EntryWeights + entry, state->NumTokens);
            entry += state->NumTokens;
        }
        AddExperts();
    }

    private void MultiplyShared(int leaf) => Multiply(_job->Shared, leaf - _job->FirstSharedLeaf, _shared, _job->SharedRows);

    // Zeroes also what the last tile writes behind the last token, where the next expert's sums will begin.
    private void Multiply(MatMulState* state, int leaf, float* to, nint rows)
    {
        PackedPart* part = state->Weight->Parts;
        ColumnPlan* plan = &state->Weight->Plan;
        if (part->IsInteger || plan->LeafColumns[leaf] == plan->LeafColumns[leaf + 1])
            for (int p = 0; p < _numPanels; p++)
                new Span<float>(to + (p * rows * Lanes), (state->NumTokens + KernelTable.MaxTileRows) * Lanes).Clear();
        var sums = new LeafStack(state, part, to, _firstPanel, 1, _numPanels, 0, state->NumTokens, (int)rows);
        MatMulPieces.RunLeaf(_job->Products.Kernels, state, part, _firstPanel, _numPanels, 0, state->NumTokens, leaf, sums, _unpacked);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh(float* parts, float* weights, int count)
    {
        for (int e = 0; e < count; e++, parts += Lanes)
        {
            TVector weight = TSimd.Broadcast(weights[e]);
            for (int i = 0; i < Lanes; i += TSimd.Width) TSimd.Store(parts + i, TSimd.Multiply(TSimd.Load(parts + i), weight));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddExperts()
    {
        int* pairs = _job->Tree.Pairs;
        nint panelFloats = _job->PartRows * Lanes;
        for (nint i = 0; i < _job->Tree.NumPairs; i++)
        {
            float* left = _parts + ((nint)pairs[2 * i] * Lanes), right = _parts + ((nint)pairs[(2 * i) + 1] * Lanes);
            for (int p = 0; p < _numPanels; p++, left += panelFloats, right += panelFloats)
                AddOp.Columns<TSimd, TVector>(left, right, left, Lanes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    // rows: of a panel's sums. heads: row of each token, or null where row t is token t's.
    private void WriteNode(int node, float* sums, nint rows, int* heads)
    {
        for (int t = 0; t < _job->NumTokens; t++)
        {
            nint index = (node * _job->NodeStride) + t, row = heads == null ? t : heads[t];
            if (_firstPanel == 0 && _job->Present != null) _job->Present[index] = row < 0 ? (byte)0 : (byte)1;
            float* to = _job->Output + (index * _job->OutputStride) + (_firstPanel * Lanes);
            int columns = Math.Min(_numPanels * Lanes, _job->NumColumns - (_firstPanel * Lanes));
            if (row < 0)
            {
                new Span<float>(to, columns).Clear();
                continue;
            }
            for (int p = 0; columns > 0; p++, columns -= Lanes, to += Lanes)
            {
                float* from = sums + (((p * rows) + row) * Lanes);
                if (columns >= Lanes) Copy(from, to);
                else new ReadOnlySpan<float>(from, columns).CopyTo(new Span<float>(to, columns));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* from, float* to)
    {
        for (int i = 0; i < Lanes; i += TSimd.Width) TSimd.Store(to + i, TSimd.Load(from + i));
    }
}
