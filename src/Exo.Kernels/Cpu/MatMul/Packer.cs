namespace Exo.Kernels;

/// <summary>
/// Packs the parts of a weight into panels of 16 outputs: one parallel pass over the source, which writes (and so first touches) the
/// packed memory; nothing else of the weight's size is allocated. Pages of a mapped file are dropped as they have been packed.
/// </summary>
internal static unsafe class Packer
{
    // A huge page: threads with smaller pieces meet in one, and each clears a page of its own for it.
    private const nint PieceBytes = 2 << 20;
    private const int PiecesPerTurn = 32;
    private const int Line = 64;
    private const int SetBytes = 4096;
    private const int SmallestGap = 256;

    /// <summary>Packs checked parts with all threads of <paramref name="team"/>.</summary>
    public static CpuWeight Pack(ReadOnlySpan<WeightSource> sources, ActivationFormat activations, Leaves? leaves, ThreadTeam team, WeightMemory slabs)
    {
        int startColumn = sources[0].StartColumn, numColumns = sources[0].NumColumns;
        ColumnPlan plan = ColumnPlan.Create(startColumn, numColumns, leaves, out NativeBuffer planMemory);
        var memory = new List<IDisposable>();
        var parts = new List<PackedPart>();
        int numRows = 0;
        try
        {
            foreach (WeightSource source in sources)
            {
                if (source.NumRows == 0) continue;
                parts.Add(PackPart(source, activations, plan, numRows, PanelsSideBySide(sources, source), team, slabs, memory));
                numRows += source.NumRows;
            }
        }
        catch
        {
            foreach (IDisposable buffer in memory) buffer.Dispose();
            planMemory.Dispose();
            throw;
        }
        return new CpuWeight(numRows, numColumns, startColumn, leaves, [.. JoinedParts.Join(parts, plan.NumBlocks)], plan, planMemory, [.. memory]);
    }

    /// <summary>Panels of all sources where they may become one part, of this one alone where not.</summary>
    private static int PanelsSideBySide(ReadOnlySpan<WeightSource> sources, in WeightSource one)
    {
        int numRows = 0;
        foreach (WeightSource source in sources)
        {
            if (source.Format != one.Format || source.RowBias is not null) return NumPanels(one.NumRows);
            numRows += source.NumRows;
        }
        return NumPanels(numRows);
    }

    private static int NumPanels(int numRows) => (numRows + PackedWeight.PanelRows - 1) / PackedWeight.PanelRows;

    private static PackedPart PackPart(
        WeightSource source, ActivationFormat activations, ColumnPlan plan, int firstRow, int panelsSideBySide, ThreadTeam team,
            WeightMemory slabs, List<IDisposable> memory)
    {
        bool isInteger = source.Format.IsAffine() && activations == ActivationFormat.Int8;
        var part = new PackedPart
        {
            Format = PanelFormatOf(source.Format, isInteger),
            FirstRow = firstRow,
            NumRows = source.NumRows,
            NumPanels = NumPanels(source.NumRows),
        };
        var job = new PackJob(source, plan);
        if (isInteger)
        {
            AffinePacker.ChooseHeaders(ref part, source, &job, team);
            part.PanelBytes = AffinePacker.LayOutBlocks(ref part, source, plan, memory);
        }
        else
        {
            part.PanelBytes = (nint)source.NumColumns * PackedWeight.PanelRows * (part.Format == PanelFormat.F32 ? 4 : 2);
        }
        part.PanelBytes = SpreadStreams(part.PanelBytes, panelsSideBySide);
        WeightMemory.Piece panels = slabs.Allocate(part.NumPanels * part.PanelBytes);
        memory.Add(panels);
        part.Panels = (byte*)panels.Address;
        if (source.RowBias is { } bias)
        {
            var rowBias = new NativeBuffer((nint)bias.Length * sizeof(float));
            memory.Add(rowBias);
            part.RowBias = (float*)rowBias.Address;
            bias.CopyTo(new Span<float>(part.RowBias, bias.Length));
        }
        job.Part = &part;
        job.PanelsPerPiece = (int)Math.Clamp(PieceBytes / Math.Max(part.PanelBytes, 1), 1, part.NumPanels);
        int numPieces = (part.NumPanels + job.PanelsPerPiece - 1) / job.PanelsPerPiece;
        job.Pack = PackerOf(source.Format, isInteger);
        if (source.Memory == SourceMemory.MappedFile) PackMapped(source, &job, numPieces, team);
        else team.Run(numPieces, job.Pack, &job);
        return part;
    }

    /// <summary>
    /// Packs in turns and drops each turn's pages. Of a column slice whole rows are mapped, as the system would read ahead by itself.
    /// </summary>
    private static void PackMapped(in WeightSource source, PackJob* job, int numPieces, ThreadTeam team)
    {
        for (; job->FirstPiece < numPieces; job->FirstPiece += PiecesPerTurn)
        {
            int count = Math.Min(PiecesPerTurn, numPieces - job->FirstPiece);
            team.Run(count, &PackMappedPiece, job);
            byte* start = job->Rows(job->FirstPiece, out _), last = job->Rows(job->FirstPiece + count - 1, out nint lastBytes);
            MappedPages.Drop(start, (nint)(last - start) + lastBytes, team);
        }
        if (!source.Format.IsAffine()) return;
        nint groupBytes = (nint)source.NumRows * (source.RowLength / source.GroupSize) * source.ScaleType.Bytes();
        MappedPages.Drop((byte*)source.Scales, groupBytes, team);
        MappedPages.Drop((byte*)source.Biases, groupBytes, team);
    }

    private static void PackMappedPiece(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        piece += job->FirstPiece;
        byte* rows = job->Rows(piece, out nint bytes);
        MappedPages.Populate(rows, bytes);
        job->Pack(argument, piece, worker);
    }

    private static PanelFormat PanelFormatOf(WeightFormat format, bool isInteger) => format switch
    {
        WeightFormat.F16 => PanelFormat.F16,
        WeightFormat.BF16 => PanelFormat.BF16,
        WeightFormat.Affine4 when isInteger => PanelFormat.Int4,
        WeightFormat.Affine8 when isInteger => PanelFormat.Int8,
        _ => PanelFormat.F32,
    };

    private static delegate*<void*, int, int, void> PackerOf(WeightFormat format, bool isInteger) => format switch
    {
        WeightFormat.F32 => &FloatPacker.PackF32,
        WeightFormat.F16 or WeightFormat.BF16 => &FloatPacker.Pack16,
        WeightFormat.Affine4 => isInteger ? &AffinePacker.PackInt4 : &FloatPacker.Dequantize,
        _ => isInteger ? &AffinePacker.PackInt8 : &FloatPacker.Dequantize,
    };

    /// <summary>
    /// Rounds a panel up to lines, and further while the starts of the four streams that decoding walks side by side would fall into
    /// the same cache sets.
    /// </summary>
    private static nint SpreadStreams(nint panelBytes, int numPanels)
    {
        nint rounded = Math.Max((panelBytes + Line - 1) / Line * Line, Line);
        int distance = numPanels / MatMulJob.NumStreams;
        for (nint padded = rounded; distance > 0 && padded < rounded + (16 * Line); padded += Line)
        {
            bool apart = true;
            for (int s = 1; s < MatMulJob.NumStreams; s++)
            {
                nint gap = s * distance * padded % SetBytes;
                apart &= gap >= SmallestGap && gap <= SetBytes - SmallestGap;
            }
            if (apart) return padded;
        }
        return rounded;
    }
}

/// <summary>One part being packed, as the threads see it.</summary>
internal unsafe struct PackJob(WeightSource source, ColumnPlan plan)
{
    public readonly byte* Source = (byte*)source.Address;
    public readonly nint RowBytes = source.RowBytes;
    public readonly int StartColumn = source.StartColumn;
    public readonly int NumColumns = source.NumColumns;
    public readonly int NumRows = source.NumRows;
    public readonly int Bits = source.Format.Bits();
    public readonly byte* Scales = (byte*)source.Scales;
    public readonly byte* Biases = (byte*)source.Biases;
    public readonly DType ScaleType = source.ScaleType;
    public readonly int GroupSize = source.GroupSize;
    public readonly int GroupsPerRow = source.GroupSize == 0 ? 0 : source.RowLength / source.GroupSize;
    public readonly ColumnPlan Plan = plan;
    public PackedPart* Part;
    public delegate*<void*, int, int, void> Pack;
    public int PanelsPerPiece;
    public int FirstPiece;
    public int Flags;

    /// <summary>The panels of a piece.</summary>
    public readonly void Panels(int piece, out int first, out int end)
    {
        first = piece * PanelsPerPiece;
        end = Math.Min(first + PanelsPerPiece, Part->NumPanels);
    }

    /// <summary>Where the stored rows of a piece lie.</summary>
    public readonly byte* Rows(int piece, out nint bytes)
    {
        Panels(piece, out int first, out int end);
        nint firstRow = (nint)first * PackedWeight.PanelRows, endRow = Math.Min((nint)end * PackedWeight.PanelRows, NumRows);
        bytes = (endRow - firstRow) * RowBytes;
        return Source + (firstRow * RowBytes);
    }

    /// <summary>Real rows of a panel.</summary>
    public readonly int RowsOf(int panel) => Math.Min(PackedWeight.PanelRows, NumRows - (panel * PackedWeight.PanelRows));
}
