using System.Numerics;
using System.Runtime.Intrinsics;
using Exo.Kernels.Cpu;

namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    private const int ChunkOfFewTokens = 256;
    private const int ChunkOfManyTokens = 1024;

    // Each expert with its tokens, the shared one with all.
    private ReadOnlySpan<MatMulTask> GateUpTasks(Tensor x, ExpertBank bank, ExpertGroups groups, ExpertBuffers buffers)
    {
        if (_expertTasks.Length < bank.GateUp.Length + 1) _expertTasks = new MatMulTask[bank.GateUp.Length + 1];
        int inner = buffers.Inner, count = 0;
        for (int e = 0; e < groups.NumExperts; e++)
        {
            int entry = groups.Starts[e], tokens = groups.Starts[e + 1] - entry;
            if (tokens == 0) continue;
            int* rows = groups.TokenOf + entry;
            float* from = tokens == 1 ? x.Row(rows[0]) : x.Pointer, to = buffers.GateUp + (entry * 2 * (nint)inner);
            MatMulTask task = Task(bank.GateUp[e], from, x.RowStride, tokens, to, 2 * inner);
            _expertTasks[count++] = tokens == 1 ? task : task with { Rows = rows };
        }
        if (bank.SharedGateUp is { } shared)
            _expertTasks[count++] = Task(shared, x.Pointer, x.RowStride, x.NumRows, buffers.SharedGateUp, 2 * buffers.SharedInner);
        return _expertTasks.AsSpan(0, count);
    }

    private ReadOnlySpan<MatMulTask> DownTasks(
        Tensor x, ExpertBank bank, ExpertGroups groups, ExpertBuffers buffers, ActivationLayout layout)
    {
        int hidden = x.NumColumns, inner = buffers.Inner, count = 0;
        for (int e = 0; e < groups.NumExperts; e++)
        {
            int entry = groups.Starts[e], tokens = groups.Starts[e + 1] - entry;
            if (tokens == 0) continue;
            float* from = buffers.Hidden + (entry * (nint)inner), to = buffers.Parts + (entry * (nint)hidden);
            MatMulTask task = Task(bank.Down[e], from, inner, tokens, to, hidden);
            nint stride = (nint)groups.Count * hidden;
            _expertTasks[count++] = task with { VectorStride = stride, Output = LeafOutput.Leaves, Layout = layout };
        }
        if (bank.SharedDown is { } shared)
        {
            MatMulTask task = Task(shared, buffers.SharedHidden, buffers.SharedInner, x.NumRows, buffers.SharedParts, hidden);
            nint stride = (nint)x.NumRows * hidden;
            _expertTasks[count++] = task with { VectorStride = stride, Output = LeafOutput.Leaves, Layout = layout };
        }
        return _expertTasks.AsSpan(0, count);
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

    // Down products and sums in one region; output and present begin at this turn's first token.
    private void MultiplyAndAdd(
        ReadOnlySpan<MatMulTask> tasks, ExpertBank bank, ExpertGroups groups, ExpertTree tree, int numTokens, Tensor output,
        int nodeStride, nint present)
    {
        fixed (KernelTable* kernels = &_kernels)
        fixed (PartialNode* nodes = bank.Layout.Nodes)
        {
            MatMulJob products = JobOf(tasks, kernels);
            Prepare(&products);
            var job = new ExpertDownJob
            {
                Products = products,
                NumExperts = bank.SharedDown is null ? tasks.Length : tasks.Length - 1,
                Tree = tree,
                NumEntries = groups.Count,
                NumTokens = numTokens,
                FirstLeaf = bank.Down[0].Leaves!.FirstLeaf,
                FirstSharedLeaf = bank.SharedDown?.Leaves!.FirstLeaf ?? 0,
                Depth = bank.Layout.NumExperts == 0 ? BitOperations.Log2((uint)Math.Max(1, bank.Layout.NumLeaves)) + 2 : 0,
                Nodes = nodes,
                NumNodes = bank.Layout.Nodes.Length,
                NumSplitExperts = bank.Layout.NumExperts,
                Output = output.Pointer,
                OutputStride = output.RowStride,
                NodeStride = nodeStride,
                Present = (byte*)present,
                NumColumns = output.NumColumns,
            };
            ReserveScratch(ref job.Products, job.ScratchBytes);
            if (Isa == Isa.Avx512) Team.Run(job.NumPieces, &ExpertDownJob.Piece<Simd512, Vector512<float>>, &job);
            else if (Isa == Isa.Avx2) Team.Run(job.NumPieces, &ExpertDownJob.Piece<Simd256, Vector256<float>>, &job);
            else Team.Run(job.NumPieces, &ExpertDownJob.Piece<Simd128, Vector128<float>>, &job);
        }
    }

    // The sums of parts that are in memory.
    private void AddExperts(
        Tensor x, Routing routing, ExpertBank bank, ExpertGroups groups, ExpertBuffers buffers, Tensor output, int nodeStride, nint present)
    {
        fixed (PartialNode* nodes = bank.Layout.Nodes)
        {
            var op = new ExpertSumOp
            {
                Chunk = x.NumRows < NumThreads * PiecesPerThread ? ChunkOfFewTokens : ChunkOfManyTokens,
                Groups = groups,
                Experts = (int*)routing.Experts,
                Weights = (float*)routing.Weights,
                ExpertsPerToken = routing.ExpertsPerToken,
                NumExperts = bank.Down.Length,
                Parts = buffers.Parts,
                LeafStride = (nint)groups.Count * x.NumColumns,
                FirstLeaf = bank.Down.Length == 0 ? 0 : bank.Down[0].Leaves!.FirstLeaf,
                SharedParts = bank.SharedDown is null ? null : buffers.SharedParts,
                SharedLeafStride = (nint)x.NumRows * x.NumColumns,
                FirstSharedLeaf = bank.SharedDown?.Leaves!.FirstLeaf ?? 0,
                Nodes = nodes,
                NumNodes = bank.Layout.Nodes.Length,
                NumSplitExperts = bank.Layout.NumExperts,
                NumLeaves = bank.Layout.NumLeaves,
                Output = output.Pointer,
                OutputStride = output.RowStride,
                NodeStride = nodeStride,
                Present = (byte*)present,
                NumColumns = x.NumColumns,
            };
            ForRows(op, x.NumRows * op.NumChunks, buffers.PartFloatsPerToken / Math.Max(1, op.NumChunks));
        }
    }
}
