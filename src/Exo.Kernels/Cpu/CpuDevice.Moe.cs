using Exo.Kernels.Cpu;

namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    // The parts of every (token, expert, leaf) wait until a leaf's experts are added: more tokens than fit in this are done in turns.
    private const long MaxPartBytes = 256L << 20;
    private const int ChunkOfFewTokens = 256;
    private const int ChunkOfManyTokens = 1024;

    private readonly GrowingBuffer _routeScratch = new();
    private readonly GrowingBuffer _expertGroups = new();
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
        int numLeaves = bank.Down.Length == 0 ? 0 : bank.Down[0].Leaves!.Count, numSharedLeaves = bank.SharedDown?.Leaves!.Count ?? 0;
        long bytesPerToken = (((long)routing.ExpertsPerToken * numLeaves) + numSharedLeaves) * x.NumColumns * sizeof(float);
        int turn = (int)Math.Clamp(MaxPartBytes / Math.Max(1, bytesPerToken), 1, Math.Max(1, x.NumRows));
        for (int start = 0; start < x.NumRows; start += turn)
        {
            int end = Math.Min(start + turn, x.NumRows);
            nint firstPair = (nint)start * routing.ExpertsPerToken * sizeof(int);
            var part = new Routing(end - start, routing.ExpertsPerToken, routing.Experts + firstPair, routing.Weights + firstPair);
            ExpertTurn(x.Rows(start, end), part, bank, output, present, start);
        }
    }

    // The tokens [firstToken, firstToken + x.NumRows) of a call.
    private void ExpertTurn(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present, int firstToken)
    {
        int numExperts = bank.GateUp.Length;
        nint memory = _expertGroups.Reserve(ExpertGroups.Bytes(x.NumRows, routing.ExpertsPerToken, numExperts));
        ExpertGroups groups = ExpertGroups.Group(routing, bank.FirstExpert, numExperts, memory);
        var buffers = new ExpertBuffers(bank, x, groups.Count);
        buffers.Place(_expertScratch.Reserve(buffers.TotalFloats * sizeof(float)));
        ExpertProducts(x, bank, groups, buffers);
        fixed (PartialNode* nodes = bank.Layout.Nodes)
        {
            int numNodes = bank.Layout.Nodes.Length;
            var op = new ExpertSumOp
            {
                Chunk = x.NumRows < NumThreads * PiecesPerThread ? ChunkOfFewTokens : ChunkOfManyTokens,
                Groups = groups,
                Experts = (int*)routing.Experts,
                Weights = (float*)routing.Weights,
                ExpertsPerToken = routing.ExpertsPerToken,
                NumExperts = numExperts,
                Parts = buffers.Parts,
                LeafStride = (nint)groups.Count * x.NumColumns,
                FirstLeaf = numExperts == 0 ? 0 : bank.Down[0].Leaves!.FirstLeaf,
                SharedParts = bank.SharedDown is null ? null : buffers.SharedParts,
                SharedLeafStride = (nint)x.NumRows * x.NumColumns,
                FirstSharedLeaf = bank.SharedDown?.Leaves!.FirstLeaf ?? 0,
                Nodes = nodes,
                NumNodes = numNodes,
                NumSplitExperts = bank.Layout.NumExperts,
                NumLeaves = bank.Layout.NumLeaves,
                Output = output.Row(firstToken),
                OutputStride = output.RowStride,
                NodeStride = numNodes == 0 ? 0 : output.NumRows / numNodes,
                Present = present == 0 ? null : (byte*)present + firstToken,
                NumColumns = x.NumColumns,
            };
            ForRows(op, x.NumRows * op.NumChunks, buffers.PartFloatsPerToken / Math.Max(1, op.NumChunks));
        }
    }

    // Both products of every expert with its tokens and of the shared expert with all: two parallel regions.
    private void ExpertProducts(Tensor x, ExpertBank bank, ExpertGroups groups, ExpertBuffers buffers)
    {
        if (_expertTasks.Length < bank.GateUp.Length + 1) _expertTasks = new MatMulTask[bank.GateUp.Length + 1];
        bool gathers = x.NumRows > 1;
        if (gathers)
        {
            var gather = new GatherOp
            {
                Source = x.Pointer,
                SourceStride = x.RowStride,
                Rows = groups.TokenOf,
                Output = buffers.X,
                NumColumns = x.NumColumns,
            };
            ForRows(gather, groups.Count, x.NumColumns);
        }
        int hidden = x.NumColumns, inner = buffers.Inner, sharedInner = buffers.SharedInner, count = 0;
        for (int e = 0; e < groups.NumExperts; e++)
        {
            int entry = groups.Starts[e], tokens = groups.Starts[e + 1] - entry;
            if (tokens == 0) continue;
            float* from = gathers ? buffers.X + ((nint)entry * hidden) : x.Pointer, to = buffers.GateUp + (entry * 2 * (nint)inner);
            _expertTasks[count++] = Task(bank.GateUp[e], from, gathers ? hidden : x.RowStride, tokens, to, 2 * inner);
        }
        if (bank.SharedGateUp is { } sharedUp)
            _expertTasks[count++] = Task(sharedUp, x.Pointer, x.RowStride, x.NumRows, buffers.SharedGateUp, 2 * sharedInner);
        MatMuls(_expertTasks.AsSpan(0, count));

        Activate(buffers.GateUp, buffers.Hidden, groups.Count, inner);
        if (bank.SharedGateUp is not null) Activate(buffers.SharedGateUp, buffers.SharedHidden, x.NumRows, sharedInner);

        count = 0;
        for (int e = 0; e < groups.NumExperts; e++)
        {
            int entry = groups.Starts[e], tokens = groups.Starts[e + 1] - entry;
            if (tokens == 0) continue;
            float* from = buffers.Hidden + (entry * (nint)inner), to = buffers.Parts + (entry * (nint)hidden);
            MatMulTask task = Task(bank.Down[e], from, inner, tokens, to, hidden);
            _expertTasks[count++] = task with { VectorStride = (nint)groups.Count * hidden, Output = LeafOutput.Leaves };
        }
        if (bank.SharedDown is { } sharedDown)
        {
            MatMulTask task = Task(sharedDown, buffers.SharedHidden, sharedInner, x.NumRows, buffers.SharedParts, hidden);
            _expertTasks[count++] = task with { VectorStride = (nint)x.NumRows * hidden, Output = LeafOutput.Leaves };
        }
        MatMuls(_expertTasks.AsSpan(0, count));
    }

    private static MatMulTask Task(Weight weight, float* x, int xStride, int tokens, float* destination, int rowStride) => new()
    {
        Weight = (CpuWeight)weight,
        X = x,
        XStride = xStride,
        NumTokens = tokens,
        Destination = destination,
        RowStride = rowStride,
    };

    private void Activate(float* gateUp, float* hidden, int rows, int inner)
    {
        var op = new SiluMulOp { GateUp = gateUp, GateUpStride = 2 * inner, Output = hidden, OutputStride = inner, NumColumns = inner };
        ForRows(op, rows, 2L * inner);
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
