namespace Exo.Kernels;

/// <summary>One product of a job: the task and where its prepared activations lie.</summary>
internal unsafe struct MatMulState
{
    public PackedWeight* Weight;
    public float* X;
    public int XStride;
    public int* Rows;
    public int NumTokens;
    public float* Destination;
    public int RowStride;
    public nint VectorStride;
    public LeafOutput Output;

    /// <summary>True where activations are laid out by tiles.</summary>
    public bool HasTiles;

    /// <summary>Tiles and float panels: x by tiles, [tile][column][tokens of the tile].</summary>
    public float* Tiles;

    /// <summary>Integer panels, by integer tiles: [tile][block][tokens of the tile][32]; so are the next three.</summary>
    public sbyte* Quants;

    /// <summary>The quants as int16, even columns of each quad first, for 8-bit tiles; null where there are none.</summary>
    public short* Wide;

    /// <summary>[tile][block][tokens of the tile]</summary>
    public float* Scales;

    /// <summary>[tile][block][tokens of the tile]</summary>
    public int* Sums;

    /// <summary>Tokens of a piece, a multiple of the tile; the last block may be short.</summary>
    public int BlockTokens;

    /// <summary>Tokens of an integer tile.</summary>
    public int IntRows;

    /// <summary>True where a product before this one has prepared the same activations.</summary>
    public bool IsPrepared;

    public int FirstPiece;

    public int EndPiece;

    /// <summary>The activations of a token.</summary>
    public readonly float* RowOfX(int token) => X + ((nint)(Rows == null ? token : Rows[token]) * XStride);

    /// <summary>A token's quants where each is a tile by itself.</summary>
    public readonly QuantizedRow Row(int token) => new()
    {
        Quants = Quants + ((nint)token * Weight->Plan.NumBlocks * ColumnPlan.BlockSize),
        Scales = Scales + ((nint)token * Weight->Plan.NumBlocks),
        Sums = Sums + ((nint)token * Weight->Plan.NumBlocks),
    };
}

/// <summary>
/// The products of one parallel region. A piece is, for one token, a run of positions in the four streams of a part; for several
/// tokens, a run of panels for a block of tokens.
/// </summary>
internal unsafe struct MatMulJob
{
    /// <summary>Panels that one thread reads side by side for one token.</summary>
    public const int NumStreams = 4;

    /// <summary>Tokens that a piece multiplies, so that they stay in the second-level cache: a multiple of every tile.</summary>
    public const int MaxBlockTokens = 120;

    /// <summary>Panels of a piece of several tokens, at most.</summary>
    public const int MaxPiecePanels = 8;

    private const int PiecesPerThread = 12;
    private const nint SmallestPieceBytes = 32 << 10;

    public KernelTable* Kernels;
    public MatMulState* States;
    public int NumStates;
    public byte* Scratch;
    public nint ScratchStride;

    /// <summary>Bytes of weights that a piece of one token should read.</summary>
    public nint PieceBytes;

    /// <summary>Cuts all products into pieces; returns how many.</summary>
    public int CutPieces(int numThreads)
    {
        nint bytes = 0;
        for (int i = 0; i < NumStates; i++)
            for (int p = 0; p < States[i].Weight->NumParts; p++)
                bytes += States[i].Weight->Parts[p].NumPanels * States[i].Weight->Parts[p].PanelBytes;
        PieceBytes = Math.Max(SmallestPieceBytes, bytes / (numThreads * PiecesPerThread));
        int next = 0;
        for (int i = 0; i < NumStates; i++)
        {
            MatMulState* state = States + i;
            state->FirstPiece = next;
            for (int p = 0; p < state->Weight->NumParts; p++) next += NumPieces(state, state->Weight->Parts + p);
            state->EndPiece = next;
        }
        return next;
    }

    /// <summary>Positions of a piece in the streams of a part (one token).</summary>
    public readonly int PiecePositions(PackedPart* part) =>
        (int)Math.Clamp(PieceBytes / (NumStreams * part->PanelBytes), 1, Math.Max(1, part->NumPanels / NumStreams));

    /// <summary>Panels of a piece of a part (several tokens): whole pairs, fewer where they would not occupy all threads.</summary>
    public readonly int PiecePanels(PackedPart* part) => (int)Math.Clamp(2 * PieceBytes / part->PanelBytes / 2 * 2, 2, MaxPiecePanels);

    /// <summary>Pieces of one part of a product.</summary>
    public readonly int NumPieces(MatMulState* state, PackedPart* part)
    {
        if (state->NumTokens == 0) return 0;
        if (state->NumTokens > 1)
            return CeilDivide(state->NumTokens, state->BlockTokens) * CeilDivide(part->NumPanels, PiecePanels(part));
        return CeilDivide(part->NumPanels / NumStreams, PiecePositions(part)) + (part->NumPanels % NumStreams == 0 ? 0 : 1);
    }

    /// <summary>Finds a piece's product and part; <paramref name="piece"/> becomes its number inside the part.</summary>
    public readonly void Find(ref int piece, out MatMulState* state, out PackedPart* part)
    {
        state = States;
        while (piece >= state->EndPiece) state++;
        piece -= state->FirstPiece;
        part = state->Weight->Parts;
        for (int count = NumPieces(state, part); piece >= count; count = NumPieces(state, part))
        {
            piece -= count;
            part++;
        }
    }

    public static int CeilDivide(int a, int b) => (a + b - 1) / b;
}
