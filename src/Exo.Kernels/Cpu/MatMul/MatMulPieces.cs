namespace Exo.Kernels;

/// <summary>What the threads of the team do with a job: prepare activations, then multiply.</summary>
internal static unsafe class MatMulPieces
{
    private const int TileColumns = 256;
    private const int FewTokens = 24;
    private const int TileBlocks8 = 8;
    private const int TileBlocks4 = 16;

    /// <summary>
    /// Floats of a thread's scratch before the stack of sums: two unpacked panels of TileColumns float32 columns, or of as many bytes of
    /// unpacked quants with their headers.
    /// </summary>
    public const int UnpackedFloats = 2 * TileColumns * PackedWeight.PanelRows;

    private const int UnpackedHeaders = UnpackedFloats / 2;

    /// <summary>Bytes of scratch that a thread needs for a weight whose leaves stack up <paramref name="depth"/> sums.</summary>
    public static nint ScratchBytes(int depth) =>
        sizeof(float) * (UnpackedFloats
            + ((nint)depth * MatMulJob.MaxPiecePanels * (MatMulJob.MaxBlockTokens + KernelTable.MaxTileRows) * PackedWeight.PanelRows));

    /// <summary>Multiplies one piece.</summary>
    public static void Run(void* argument, int piece, int worker)
    {
        var job = (MatMulJob*)argument;
        job->Find(ref piece, out MatMulState* state, out PackedPart* part);
        byte* scratch = job->Scratch + (worker * job->ScratchStride);
        if (state->NumTokens == 1) RunStreams(job, state, part, piece, (float*)scratch);
        else RunTiles(job, state, part, piece, (float*)scratch);
    }

    private static void RunStreams(MatMulJob* job, MatMulState* state, PackedPart* part, int piece, float* scratch)
    {
        int distance = part->NumPanels / MatMulJob.NumStreams, step = job->PiecePositions(part);
        int start = piece * step, end = Math.Min(start + step, distance);
        if (start >= distance)
        {
            int left = part->NumPanels % MatMulJob.NumStreams;
            RunPosition(job, state, part, part->NumPanels - left, 1, left, scratch);
            return;
        }
        for (int position = start; position < end; position++)
            RunPosition(job, state, part, position, distance, MatMulJob.NumStreams, scratch);
    }

    private static void RunPosition(MatMulJob* job, MatMulState* state, PackedPart* part, int panel, int step, int numPanels,
        float* scratch)
    {
        ColumnPlan* plan = &state->Weight->Plan;
        var sums = new LeafStack(state, part, scratch, panel, step, numPanels, 0, 1, 1);
        QuantizedRow row = state->Row(0);
        byte* panels = part->Panel(panel);
        nint distance = step * part->PanelBytes;
        for (int leaf = 0; leaf < plan->NumLeaves; leaf++)
        {
            if (part->IsInteger)
            {
                sums.ClearTop();
                RunIntegerStreams(job->Kernels, part, panels, distance, numPanels, plan->LeafBlocks[leaf],
                    plan->LeafBlocks[leaf + 1], &row, sums.Top);
            }
            else
            {
                RunFloats(job->Kernels, part, state->X, panels, distance, numPanels, plan->LeafColumns[leaf],
                    plan->LeafColumns[leaf + 1], sums.Top);
            }
            sums.Finish(leaf);
        }
    }

    private static void RunIntegerStreams(
        KernelTable* kernels, PackedPart* part, byte* panels, nint distance, int numPanels, int start, int end, QuantizedRow* x,
            float* sums)
    {
        var four = kernels->FourIntegers(part->Format);
        if (numPanels == MatMulJob.NumStreams && four != null) four(part, panels, distance, start, end, x, sums);
        else kernels->Integers(part->Format)(part, panels, distance, numPanels, start, end, x, sums, PackedWeight.PanelRows);
    }

    private static void RunFloats(
        KernelTable* kernels, PackedPart* part, float* x, byte* panels, nint distance, int numPanels, int start, int end, float* sums)
    {
        if (numPanels == MatMulJob.NumStreams)
        {
            var four = kernels->FourStreams(part->Format);
            four(x, panels, distance, start, end, sums);
            return;
        }
        var one = kernels->OneStream(part->Format);
        for (int p = 0; p < numPanels; p++) one(x, panels + (p * distance), distance, start, end, sums + (p * PackedWeight.PanelRows));
    }

    private static void RunTiles(MatMulJob* job, MatMulState* state, PackedPart* part, int piece, float* scratch)
    {
        int step = job->PiecePanels(part), chunks = MatMulJob.CeilDivide(part->NumPanels, step);
        int panel = piece % chunks * step, end = Math.Min(panel + step, part->NumPanels);
        int token = piece / chunks * state->BlockTokens, numTokens = Math.Min(state->BlockTokens, state->NumTokens - token);
        // Many tokens: all panels of the piece take turns, so that a slice of the tokens stays in the cache. Few: one run of panels
        // after the other, so that memory is read in long sequences.
        int together = part->IsInteger ? job->Kernels->TilePanels : job->Kernels->FloatPanelsFor(state->NumTokens);
        int width = numTokens <= FewTokens ? together : step;
        for (; panel < end; panel += width) RunPanels(job, state, part, panel, Math.Min(width, end - panel), token, numTokens, scratch);
    }

    private static void RunPanels(
        MatMulJob* job, MatMulState* state, PackedPart* part, int panel, int numPanels, int token, int numTokens, float* scratch)
    {
        int allocated = numTokens + KernelTable.MaxTileRows;
        var sums = new LeafStack(state, part, scratch + UnpackedFloats, panel, 1, numPanels, token, numTokens, allocated);
        ColumnPlan* plan = &state->Weight->Plan;
        for (int leaf = 0; leaf < plan->NumLeaves; leaf++)
        {
            if (part->IsInteger || plan->LeafColumns[leaf] == plan->LeafColumns[leaf + 1]) sums.ClearTop();
            RunLeaf(job->Kernels, state, part, panel, numPanels, token, numTokens, leaf, sums, scratch);
            sums.Finish(leaf);
        }
    }

    /// <summary>
    /// The dot products over one leaf into the top of <paramref name="sums"/>, which has room for whole tiles, and holds zeros where the
    /// part is of integers or the leaf empty. Leaf 0 is the first one held; scratch: <see cref="UnpackedFloats"/>.
    /// </summary>
    public static void RunLeaf(
        KernelTable* kernels, MatMulState* state, PackedPart* part, int panel, int numPanels, int token, int numTokens, int leaf,
            LeafStack sums, float* scratch)
    {
        ColumnPlan* plan = &state->Weight->Plan;
        int start = plan->LeafColumns[leaf], end = plan->LeafColumns[leaf + 1];
        if (!part->IsInteger)
        {
            for (int column = start; column < end; column += TileColumns)
                RunFloatTiles(kernels, state, part, panel, numPanels, token, numTokens, column, Math.Min(column + TileColumns, end),
                    column != start, sums, scratch);
            return;
        }
        int blocks = part->Format == PanelFormat.Int8 ? TileBlocks8 : TileBlocks4, endBlock = plan->LeafBlocks[leaf + 1];
        for (int block = plan->LeafBlocks[leaf]; block < endBlock; block += blocks)
            RunIntegers(kernels, state, part, panel, numPanels, token, numTokens, block, Math.Min(block + blocks, endBlock), sums, scratch);
    }

    private static void RunIntegers(
        KernelTable* kernels, MatMulState* state, PackedPart* part, int panel, int numPanels, int token, int numTokens, int start,
            int end, LeafStack sums, float* scratch)
    {
        if (kernels->IntTileRows > 1)
        {
            RunIntTiles(kernels, state, part, panel, numPanels, token, numTokens, start, end, sums, scratch);
            return;
        }
        var kernel = kernels->Integers(part->Format);
        for (int t = 0; t < numTokens; t++)
        {
            QuantizedRow row = state->Row(token + t);
            kernel(part, part->Panel(panel), part->PanelBytes, numPanels, start, end, &row, sums.Top + (t * PackedWeight.PanelRows),
                sums.PanelFloats);
        }
    }

    private static void RunIntTiles(
        KernelTable* kernels, MatMulState* state, PackedPart* part, int panel, int numPanels, int token, int numTokens, int start,
            int end, LeafStack sums, float* scratch)
    {
        bool isWide = part->Format == PanelFormat.Int8, isDirect = state->NumTokens <= KernelTable.DirectTokens;
        nint blockBytes = isWide ? 1024 : 512, rowBytes = isWide ? 2 * ColumnPlan.BlockSize : ColumnPlan.BlockSize,
            numBlocks = state->Weight->Plan.NumBlocks;
        var tile = new IntTile { Part = part, FirstBlock = start, HasBiases = part->HasBiases, NumBlocks = end - start };
        for (int p = 0; p < numPanels; p += kernels->TilePanels)
        {
            // An odd last panel is multiplied twice, both times into the same sums.
            bool isPair = kernels->TilePanels == 2 && p + 1 < numPanels;
            tile.SumsStep = isPair ? sums.PanelFloats : 0;
            tile.Weights = part->Panel(panel + p);
            tile.WeightStep = isPair ? part->PanelBytes : 0;
            if (!isDirect) UnpackPanels(part, &tile, isPair ? 2 : 1, blockBytes, scratch);
            for (int t = 0; t < numTokens; t += state->IntRows)
            {
                int rows = kernels->RoundIntRows(Math.Min(state->IntRows, numTokens - t));
                nint index = ((token + t) * numBlocks) + ((nint)start * rows);
                tile.X = (isWide ? (byte*)state->Wide : (byte*)state->Quants) + (index * rowBytes);
                tile.XScales = state->Scales + index;
                tile.XSums = state->Sums + index;
                tile.Sums = sums.Top + (p * sums.PanelFloats) + (t * PackedWeight.PanelRows);
                var kernel = isDirect ? kernels->IntDirect(part->Format, rows) : kernels->IntTile(part->Format, rows);
                kernel(&tile);
            }
        }
    }

    private static void UnpackPanels(PackedPart* part, IntTile* tile, int count, nint blockBytes, float* scratch)
    {
        int start = tile->FirstBlock, end = start + tile->NumBlocks;
        byte* panel = tile->Weights;
        nint distance = tile->WeightStep;
        tile->Weights = (byte*)scratch;
        tile->Headers = scratch + UnpackedHeaders;
        tile->WeightStep = count == 2 ? tile->NumBlocks * blockBytes : 0;
        tile->HeaderStep = count == 2 ? (nint)tile->NumBlocks * IntTile.HeaderFloats : 0;
        for (int i = 0; i < count; i++)
        {
            byte* weights = tile->Weights + (i * tile->WeightStep);
            float* headers = tile->Headers + (i * tile->HeaderStep);
            if (part->Format == PanelFormat.Int8) IntUnpacker.Unpack8(part, panel + (i * distance), start, end, weights, headers);
            else IntUnpacker.Unpack4(part, panel + (i * distance), start, end, weights, headers);
        }
    }

    private static void RunFloatTiles(
        KernelTable* kernels, MatMulState* state, PackedPart* part, int panel, int numPanels, int token, int numTokens, int start,
            int end, bool load, LeafStack sums, float* scratch)
    {
        nint columns = end - start, numColumns = state->Weight->NumColumns;
        // A single tile unpacks in registers; several share what is unpacked once.
        bool isUnpacked = part->Format != PanelFormat.F32 && numTokens > kernels->TileRows;
        PanelFormat format = isUnpacked ? PanelFormat.F32 : part->Format;
        nint columnBytes = part->Format == PanelFormat.F32 ? PackedWeight.PanelRows * sizeof(float) : PackedWeight.PanelRows * sizeof(ushort);
        int together = kernels->FloatPanelsFor(state->NumTokens);
        for (int p = 0; p < numPanels; p += together)
        {
            // An odd last panel is multiplied twice, both times into the same sums.
            bool isPair = together == 2 && p + 1 < numPanels;
            byte* panels = part->Panel(panel + p) + (start * columnBytes);
            nint panelStep = isPair ? part->PanelBytes : 0;
            if (isUnpacked)
            {
                kernels->Unpack(part->Format)(panels, columns, scratch);
                if (isPair) kernels->Unpack(part->Format)(panels + panelStep, columns, scratch + (TileColumns * PackedWeight.PanelRows));
                panels = (byte*)scratch;
                panelStep = isPair ? TileColumns * PackedWeight.PanelRows * sizeof(float) : 0;
            }
            float* to = sums.Top + (p * sums.PanelFloats);
            for (int t = 0; t < numTokens; t += kernels->TileRows)
            {
                int rows = kernels->RoundRows(Math.Min(kernels->TileRows, numTokens - t));
                float* x = state->Tiles + ((token + t) * numColumns) + (start * rows);
                var kernel = isPair && together > kernels->TilePanels ? kernels->PairTile(format, rows) : kernels->Tile(format, rows);
                kernel(x, panels, panelStep, columns, to + (t * PackedWeight.PanelRows), isPair ? sums.PanelFloats : 0, load ? 1 : 0);
            }
        }
    }
}
