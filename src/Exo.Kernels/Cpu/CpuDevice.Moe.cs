using Exo.Kernels.Cpu;

namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    // Parts in memory: more tokens than fit in this are done in turns.
    private const long MaxPartBytes = 256L << 20;

    // From here on a weight's reading from memory is a small part of the work, and the parts' writing would be a large one.
    private const int ManyTokens = 32;

    private readonly GrowingBuffer _routeScratch = new();
    private readonly GrowingBuffer _expertGroups = new();
    private readonly GrowingBuffer _expertTree = new();
    private readonly GrowingBuffer _expertScratch = new();
    private MatMulTask[] _expertTasks = new MatMulTask[16];

    /// <inheritdoc/>
    protected override void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing)
    {
        var op = new RouteOp
        {
            Logits = logits.Pointer,
            LogitsStride = logits.RowStride,
            CorrectionBias = correctionBias is { } bias ? bias.Pointer : null,
            NumExperts = options.NumExperts,
            ExpertsPerToken = options.ExpertsPerToken,
            NumGroups = options.NumGroups,
            TopkGroups = options.TopkGroups,
            ScalingFactor = options.ScalingFactor,
            Scoring = options.Scoring,
            NormTopkProb = options.NormTopkProb,
            Experts = (int*)routing.Experts,
            Weights = (float*)routing.Weights,
        };
        op.Scratch = (float*)_routeScratch.Reserve(logits.NumRows * op.ScratchFloats * sizeof(float));
        ForRows(op, logits.NumRows, 8L * options.NumExperts);
    }

    /// <inheritdoc/>
    protected override void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present)
    {
        RequireLeaves(bank);
        if (bank.Layout.Nodes.Length == 0) return;
        PartPlace place = PlaceOfParts(x, bank);
        int turn = TokensOfTurn(x, routing.ExpertsPerToken, bank, place);
        for (int start = 0; start < x.NumRows; start += turn)
        {
            int end = Math.Min(start + turn, x.NumRows);
            nint firstPair = (nint)start * routing.ExpertsPerToken * sizeof(int);
            var part = new Routing(end - start, routing.ExpertsPerToken, routing.Experts + firstPair, routing.Weights + firstPair);
            ExpertTurn(x.Rows(start, end), part, bank, output, present, start, place);
        }
    }

    private static PartPlace PlaceOfParts(Tensor x, ExpertBank bank)
    {
        if (x.NumRows < ManyTokens || bank.Down.Length == 0) return PartPlace.Memory;
        foreach (Weight down in bank.Down)
            if (!IsOnePart(down)) return PartPlace.Memory;
        return bank.SharedDown is { } shared && !IsOnePart(shared) ? PartPlace.Memory : PartPlace.Cache;

        bool IsOnePart(Weight weight) => ((CpuWeight)weight).Packed->NumParts == 1 && weight.NumRows == x.NumColumns;
    }

    // Tokens that are done at once, about as many in each turn.
    private static int TokensOfTurn(Tensor x, int expertsPerToken, ExpertBank bank, PartPlace place)
    {
        int numLeaves = bank.Down.Length == 0 ? 0 : bank.Down[0].Leaves!.Count, numSharedLeaves = bank.SharedDown?.Leaves!.Count ?? 0;
        long bytesPerToken = (((long)expertsPerToken * numLeaves) + numSharedLeaves) * x.NumColumns * sizeof(float);
        long most = place == PartPlace.Cache ? ExpertDownJob.MaxEntries / expertsPerToken : MaxPartBytes / Math.Max(1, bytesPerToken);
        int numTurns = MatMulJob.CeilDivide(x.NumRows, (int)Math.Clamp(most, 1, Math.Max(1, x.NumRows)));
        return Math.Max(1, MatMulJob.CeilDivide(x.NumRows, Math.Max(1, numTurns)));
    }

    // The tokens [firstToken, firstToken + x.NumRows) of a call.
    private void ExpertTurn(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present, int firstToken, PartPlace place)
    {
        int numExperts = bank.GateUp.Length;
        nint memory = _expertGroups.Reserve(ExpertGroups.Bytes(x.NumRows, routing.ExpertsPerToken, numExperts));
        ExpertGroups groups = ExpertGroups.Group(routing, bank.FirstExpert, numExperts, memory);
        ExpertTree tree = default;
        if (place == PartPlace.Cache)
        {
            nint treeMemory = _expertTree.Reserve(ExpertTree.Bytes(routing, bank.Layout));
            if (groups.Count == 0 || !ExpertTree.TryBuild(routing, groups, bank.Layout, treeMemory, out tree)) place = PartPlace.Memory;
        }
        var buffers = new ExpertBuffers(bank, x, groups.Count, place);
        buffers.Place(_expertScratch.Reserve(buffers.TotalFloats * sizeof(float)));
        MatMuls(GateUpTasks(x, bank, groups, buffers));
        Activate(buffers.GateUp, buffers.Hidden, groups.Count, buffers.Inner);
        if (bank.SharedGateUp is not null) Activate(buffers.SharedGateUp, buffers.SharedHidden, x.NumRows, buffers.SharedInner);
        ActivationLayout layout = place == PartPlace.Cache ? ActivationLayout.Tiles : ActivationLayout.ByTokens;
        ReadOnlySpan<MatMulTask> down = DownTasks(x, bank, groups, buffers, layout);
        Tensor rows = output.Rows(firstToken, output.NumRows);
        nint presentRows = present == 0 ? 0 : present + firstToken;
        int nodeStride = output.NumRows / bank.Layout.Nodes.Length;
        if (place == PartPlace.Cache)
        {
            MultiplyAndAdd(down, bank, groups, tree, x.NumRows, rows, nodeStride, presentRows);
            return;
        }
        MatMuls(down);
        AddExperts(x, routing, bank, groups, buffers, rows, nodeStride, presentRows);
    }

    private static void RequireLeaves(ExpertBank bank)
    {
        Leaves? first = bank.Down.Length == 0 ? null : bank.Down[0].Leaves;
        foreach (Weight down in bank.Down)
            if (first is null || down.Leaves is not { } leaves || leaves.Count != first.Count || leaves.FirstLeaf != first.FirstLeaf)
                throw new ShapeException("the down projections of a layer's experts have different leaves, or none");
        if (bank.SharedDown is { Leaves: null }) throw new ShapeException("the shared expert's down projection has no leaves");
        foreach (PartialNode node in bank.Layout.Nodes)
        {
            bool isShared = bank.Layout.NumExperts > 0 && node.FirstExpert == bank.Layout.NumExperts;
            if (!isShared && bank.Down.Length > 0) RequireLeaves(node, bank.Down[0].Leaves!);
            if (bank.SharedDown is { } shared && (isShared || bank.Layout.NumExperts == 0)) RequireLeaves(node, shared.Leaves!);
        }
    }

    private static void RequireLeaves(PartialNode node, Leaves leaves)
    {
        if (node.FirstLeaf < leaves.FirstLeaf || node.EndLeaf > leaves.EndLeaf)
            throw new ShapeException($"{node} of weights with the leaves [{leaves.FirstLeaf}, {leaves.EndLeaf})");
    }
}
