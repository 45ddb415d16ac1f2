namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    private const int SmallPreparation = 1 << 15;
    private readonly GrowingBuffer _activations = new();
    private readonly GrowingBuffer _threadScratch = new();
    private readonly GrowingBuffer _states = new();
    private readonly WeightMemory _weightMemory = new();
    private KernelTable _kernels;

    /// <inheritdoc/>
    protected override Weight LoadCore(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves) =>
        Packer.Pack(parts, activations, leaves, Team, _weightMemory);

    /// <inheritdoc/>
    protected override void MatMulCore(Tensor x, Weight weight, Tensor output) => MatMuls([TaskOf(x, weight, output)]);

    /// <inheritdoc/>
    protected override void MatMulPartialCore(Tensor x, Weight weight, Tensor output) => MatMuls([TaskOf(x, weight, output)]);

    /// <summary>
    /// Many products in one parallel region (the experts of a layer, say): activations are rounded once where neighbouring tasks share
    /// them. Allocates nothing in a steady state. Not to be called from inside a region.
    /// </summary>
    internal void MatMuls(ReadOnlySpan<MatMulTask> tasks)
    {
        if (tasks.Length == 0) return;
        fixed (KernelTable* kernels = &_kernels)
        {
            MatMulJob job = JobOf(tasks, kernels);
            int depth = 1;
            for (int i = 0; i < tasks.Length; i++) depth = Math.Max(depth, job.States[i].Weight->Plan.MaxDepth);
            ReserveScratch(ref job, MatMulPieces.ScratchBytes(depth));
            Prepare(&job);
            Team.Run(job.CutPieces(NumThreads), &MatMulPieces.Run, &job);
        }
    }

    private MatMulJob JobOf(ReadOnlySpan<MatMulTask> tasks, KernelTable* kernels)
    {
        var states = (MatMulState*)_states.Reserve((nint)tasks.Length * sizeof(MatMulState));
        for (int i = 0; i < tasks.Length; i++) states[i] = StateOf(tasks[i]);
        return new MatMulJob { Kernels = kernels, States = states, NumStates = tasks.Length };
    }

    private void ReserveScratch(ref MatMulJob job, nint bytesPerThread)
    {
        job.ScratchStride = (bytesPerThread + 4095) / 4096 * 4096;
        job.Scratch = (byte*)_threadScratch.Reserve(job.ScratchStride * NumThreads);
    }

    private static MatMulTask TaskOf(Tensor x, Weight weight, Tensor output) => new()
    {
        Weight = (CpuWeight)weight,
        X = x.Pointer,
        XStride = x.RowStride,
        NumTokens = x.NumRows,
        Destination = output.Pointer,
        RowStride = output.RowStride,
        VectorStride = (nint)x.NumRows * output.RowStride,
    };

    private static bool SharesActivations(MatMulState* a, MatMulState* b)
    {
        if (a->X != b->X || a->XStride != b->XStride || a->Rows != b->Rows) return false;
        if (a->NumTokens != b->NumTokens || a->HasTiles != b->HasTiles) return false;
        if (a->Weight->HasInteger != b->Weight->HasInteger || a->Weight->HasFloat != b->Weight->HasFloat) return false;
        if (a->Weight->HasInt8 != b->Weight->HasInt8) return false;
        ColumnPlan* p = &a->Weight->Plan, q = &b->Weight->Plan;
        return a->Weight->NumColumns == b->Weight->NumColumns && p->NumBlocks == q->NumBlocks
            && new ReadOnlySpan<int>(p->BlockColumns, p->NumBlocks).SequenceEqual(new ReadOnlySpan<int>(q->BlockColumns, q->NumBlocks));
    }

    private MatMulState StateOf(in MatMulTask task)
    {
        int blocks = MatMulJob.CeilDivide(task.NumTokens, MatMulJob.MaxBlockTokens);
        int blockTokens = MatMulJob.CeilDivide(task.NumTokens, Math.Max(blocks, 1));
        return new MatMulState
        {
            Weight = task.Weight.Packed,
            X = task.X,
            XStride = task.XStride,
            Rows = task.Rows,
            NumTokens = task.NumTokens,
            Destination = task.Destination,
            RowStride = task.RowStride,
            VectorStride = task.VectorStride,
            Output = task.Output,
            HasTiles = task.NumTokens > 1 || task.Layout == ActivationLayout.Tiles,
            IntRows = _kernels.IntRowsFor(task.NumTokens),
            BlockTokens = MatMulJob.CeilDivide(blockTokens, _kernels.TileRows) * _kernels.TileRows,
        };
    }

    /// <summary>Gives every product its share of the activation memory and fills it, on all threads where that pays.</summary>
    private void Prepare(MatMulJob* job)
    {
        nint bytes = 0;
        for (int i = 0; i < job->NumStates; i++) bytes = Place(job->States + i, null, bytes);
        var memory = (byte*)_activations.Reserve(bytes);
        nint offset = 0;
        int numPieces = 0;
        long numFloats = 0;
        for (int i = 0; i < job->NumStates; i++)
        {
            MatMulState* state = job->States + i;
            if (i > 0 && SharesActivations(state - 1, state))
            {
                state->Tiles = (state - 1)->Tiles;
                state->Quants = (state - 1)->Quants;
                state->Wide = (state - 1)->Wide;
                state->Scales = (state - 1)->Scales;
                state->Sums = (state - 1)->Sums;
                state->IsPrepared = true;
            }
            else
            {
                offset = Place(state, memory, offset);
                numFloats += (long)state->NumTokens * state->Weight->NumColumns;
            }
            numPieces += ActivationPieces.Count(state);
        }
        if (numFloats > SmallPreparation)
        {
            Team.Run(numPieces, &ActivationPieces.Run, job);
            return;
        }
        for (int piece = 0; piece < numPieces; piece++) ActivationPieces.Run(job, piece, 0);
    }

    private nint Place(MatMulState* state, byte* memory, nint offset)
    {
        nint tokens = MatMulJob.CeilDivide(state->NumTokens, _kernels.TileRows) * _kernels.TileRows,
            blocks = tokens * state->Weight->Plan.NumBlocks;
        if (state->Weight->HasFloat && state->HasTiles)
        {
            state->Tiles = (float*)(memory + offset);
            offset += Lines(tokens * state->Weight->NumColumns * sizeof(float));
        }
        if (!state->Weight->HasInteger) return offset;
        state->Quants = (sbyte*)(memory + offset);
        offset += Lines(blocks * ColumnPlan.BlockSize);
        if (state->Weight->HasInt8 && state->HasTiles && _kernels.IntTileRows > 1)
        {
            state->Wide = (short*)(memory + offset);
            offset += Lines(blocks * ColumnPlan.BlockSize * sizeof(short));
        }
        state->Scales = (float*)(memory + offset);
        offset += Lines(blocks * sizeof(float));
        state->Sums = (int*)(memory + offset);
        return offset + Lines(blocks * sizeof(int));
    }

    private static nint Lines(nint bytes) => (bytes + 63) / 64 * 64;
}
