namespace Exo.Kernels;

/// <summary>The matmul kernels of one instruction set.</summary>
internal unsafe struct KernelTable
{
    /// <summary>Tokens of the largest float tile.</summary>
    public int TileRows;

    /// <summary>Panels that tiles of integers, and tiles of more floats than <see cref="PairTokens"/>, multiply at once.</summary>
    public int TilePanels;

    /// <summary>Products of at most this many tokens multiply two float panels at once.</summary>
    public int PairTokens;

    /// <summary>Tokens of the largest integer tile; 1 where several tokens are multiplied one by one.</summary>
    public int IntTileRows;

    /// <summary>Tokens of a tile straight from the panel.</summary>
    public int DirectRows;

    /// <summary>Tokens up to which quants are unpacked in registers.</summary>
    public const int DirectTokens = 8;

    public const int MaxTileRows = 12;

    private const int NumFormats = 5;
    private fixed long _fourStreams[NumFormats];
    private fixed long _oneStream[NumFormats];
    private fixed long _integers[NumFormats];
    private fixed long _fourIntegers[NumFormats];
    private fixed long _unpack[NumFormats];
    private fixed long _intTiles[NumFormats * (MaxTileRows + 1)];
    private fixed long _intDirect[NumFormats * (MaxTileRows + 1)];
    private fixed long _pairTiles[NumFormats * (MaxTileRows + 1)];
    private fixed long _tiles[NumFormats * (MaxTileRows + 1)];

    /// <summary>The kernels for <paramref name="isa"/>.</summary>
    public static KernelTable Create(Isa isa)
    {
        var table = default(KernelTable);
        if (isa == Isa.Vector128) table.Use128();
        else table.Use256();
        if (isa == Isa.Avx512) table.Use512();
        return table;
    }

    /// <summary>One token, four far panels: (x, panel, distance, first column, end column, sums).</summary>
    public readonly delegate*<float*, byte*, nint, nint, nint, float*, void> FourStreams(PanelFormat format) =>
        (delegate*<float*, byte*, nint, nint, nint, float*, void>)(nint)_fourStreams[(int)format];

    /// <summary>One token, one panel: the same arguments.</summary>
    public readonly delegate*<float*, byte*, nint, nint, nint, float*, void> OneStream(PanelFormat format) =>
        (delegate*<float*, byte*, nint, nint, nint, float*, void>)(nint)_oneStream[(int)format];

    /// <summary>One token, integer panels: (part, panels, distance, panels, first block, end block, x, sums, sumsStep).</summary>
    public readonly delegate*<PackedPart*, byte*, nint, int, int, int, QuantizedRow*, float*, nint, void> Integers(PanelFormat format) =>
        (delegate*<PackedPart*, byte*, nint, int, int, int, QuantizedRow*, float*, nint, void>)(nint)_integers[(int)format];

    /// <summary>One token, four far integer panels: (part, panel, distance, first block, end block, x, sums); null where there is none.</summary>
    public readonly delegate*<PackedPart*, byte*, nint, int, int, QuantizedRow*, float*, void> FourIntegers(PanelFormat format) =>
        (delegate*<PackedPart*, byte*, nint, int, int, QuantizedRow*, float*, void>)(nint)_fourIntegers[(int)format];

    /// <summary>Columns of a 16-bit panel to float32: (from, columns, to).</summary>
    public readonly delegate*<byte*, nint, float*, void> Unpack(PanelFormat format) =>
        (delegate*<byte*, nint, float*, void>)(nint)_unpack[(int)format];

    /// <summary>Several tokens, float panels: (x, panel, panelStep, columns, sums, sumsStep, load)</summary>
    public readonly delegate*<float*, byte*, nint, nint, float*, nint, int, void> Tile(PanelFormat format, int rows) =>
        (delegate*<float*, byte*, nint, nint, float*, nint, int, void>)(nint)_tiles[((int)format * (MaxTileRows + 1)) + rows];

    /// <summary>The same for at most <see cref="PairTokens"/> tokens and two panels.</summary>
    public readonly delegate*<float*, byte*, nint, nint, float*, nint, int, void> PairTile(PanelFormat format, int rows) =>
        (delegate*<float*, byte*, nint, nint, float*, nint, int, void>)(nint)_pairTiles[((int)format * (MaxTileRows + 1)) + rows];

    /// <summary>Several tokens, integer panels.</summary>
    public readonly delegate*<IntTile*, void> IntTile(PanelFormat format, int rows) =>
        (delegate*<IntTile*, void>)(nint)_intTiles[((int)format * (MaxTileRows + 1)) + rows];

    /// <summary>The same for at most <see cref="DirectTokens"/> tokens, straight from the panel.</summary>
    public readonly delegate*<IntTile*, void> IntDirect(PanelFormat format, int rows) =>
        (delegate*<IntTile*, void>)(nint)_intDirect[((int)format * (MaxTileRows + 1)) + rows];

    /// <summary>Tokens of the integer tiles of a product with <paramref name="numTokens"/>.</summary>
    public readonly int IntRowsFor(int numTokens) => numTokens <= DirectTokens ? Math.Min(DirectRows, IntTileRows) : IntTileRows;

    /// <summary>Tokens of the integer tile for a last tile of <paramref name="rows"/>.</summary>
    public readonly int RoundIntRows(int rows) => IntTileRows == 1 ? 1 : RoundRows(rows);

    /// <summary>Panels that a float product of <paramref name="numTokens"/> multiplies at once.</summary>
    public readonly int FloatPanelsFor(int numTokens) => numTokens > 1 && numTokens <= PairTokens ? 2 : TilePanels;

    /// <summary>Tokens of the tile that is used for a last tile of <paramref name="rows"/>: the next size that is compiled.</summary>
    public readonly int RoundRows(int rows)
    {
        while (_tiles[rows] == 0) rows++; // the row of F32, which is format 0
        return rows;
    }

    private void Use128()
    {
        TileRows = 4;
        IntTileRows = 1;
        DirectRows = 1;
        TilePanels = 1;
        SetStreams(PanelFormat.F32, &FloatStreams.Four128<F32Panel>, &FloatStreams.One128<F32Panel>);
        SetStreams(PanelFormat.F16, &FloatStreams.Four128<F16Panel>, &FloatStreams.One128<F16Panel>);
        SetStreams(PanelFormat.BF16, &FloatStreams.Four128<BF16Panel>, &FloatStreams.One128<BF16Panel>);
        SetUnpack(PanelFormat.F16, &PanelUnpacker.Unpack128<F16Panel>);
        SetUnpack(PanelFormat.BF16, &PanelUnpacker.Unpack128<BF16Panel>);
        SetIntegers(PanelFormat.Int8, &IntStreams.Add128<Int8Panel>);
        SetIntegers(PanelFormat.Int4, &IntStreams.Add128<Int4Panel>);
        SetTile(1, &FloatTiles128.Multiply<F32Panel, Rows1>, &FloatTiles128.Multiply<F16Panel, Rows1>,
            &FloatTiles128.Multiply<BF16Panel, Rows1>);
        SetTile(2, &FloatTiles128.Multiply<F32Panel, Rows2>, &FloatTiles128.Multiply<F16Panel, Rows2>,
            &FloatTiles128.Multiply<BF16Panel, Rows2>);
        SetTile(4, &FloatTiles128.Multiply<F32Panel, Rows4>, &FloatTiles128.Multiply<F16Panel, Rows4>,
            &FloatTiles128.Multiply<BF16Panel, Rows4>);
    }

    private void Use256()
    {
        TileRows = 6;
        IntTileRows = 6;
        PairTokens = 3;
        DirectRows = 4;
        SetIntDirect(1, &IntDirect256.Multiply<Int8Tile, Rows1>, &IntDirect256.Multiply<Int4Tile, Rows1>);
        SetIntDirect(2, &IntDirect256.Multiply<Int8Tile, Rows2>, &IntDirect256.Multiply<Int4Tile, Rows2>);
        SetIntDirect(3, &IntDirect256.Multiply<Int8Tile, Rows3>, &IntDirect256.Multiply<Int4Tile, Rows3>);
        SetIntDirect(4, &IntDirect256.Multiply<Int8Tile, Rows4>, &IntDirect256.Multiply<Int4Tile, Rows4>);
        TilePanels = 1;
        SetIntTiles(1, &IntTiles256.Multiply<Int8Tile, Rows1>, &IntTiles256.Multiply<Int4Tile, Rows1>);
        SetIntTiles(2, &IntTiles256.Multiply<Int8Tile, Rows2>, &IntTiles256.Multiply<Int4Tile, Rows2>);
        SetIntTiles(3, &IntTiles256.Multiply<Int8Tile, Rows3>, &IntTiles256.Multiply<Int4Tile, Rows3>);
        SetIntTiles(4, &IntTiles256.Multiply<Int8Tile, Rows4>, &IntTiles256.Multiply<Int4Tile, Rows4>);
        SetIntTiles(6, &IntTiles256.Multiply<Int8Tile, Rows6>, &IntTiles256.Multiply<Int4Tile, Rows6>);
        SetStreams(PanelFormat.F32, &FloatStreams.Four256<F32Panel>, &FloatStreams.One256<F32Panel>);
        SetStreams(PanelFormat.F16, &FloatStreams.Four256<F16Panel>, &FloatStreams.One256<F16Panel>);
        SetStreams(PanelFormat.BF16, &FloatStreams.Four256<BF16Panel>, &FloatStreams.One256<BF16Panel>);
        SetUnpack(PanelFormat.F16, &PanelUnpacker.Unpack256<F16Panel>);
        SetUnpack(PanelFormat.BF16, &PanelUnpacker.Unpack256<BF16Panel>);
        SetIntegers(PanelFormat.Int8, &IntStreams.Add256<Int8Panel>);
        SetIntegers(PanelFormat.Int4, &IntStreams.Add256<Int4Panel>);
        SetFourIntegers(PanelFormat.Int8, &IntFourStreams.Add256<Int8Panel>);
        SetFourIntegers(PanelFormat.Int4, &IntFourStreams.Add256<Int4Panel>);
        SetTile(1, &FloatTiles256.Multiply<F32Panel, Rows1>, &FloatTiles256.Multiply<F16Panel, Rows1>,
            &FloatTiles256.Multiply<BF16Panel, Rows1>);
        SetTile(2, &FloatTiles256.Multiply<F32Panel, Rows2>, &FloatTiles256.Multiply<F16Panel, Rows2>,
            &FloatTiles256.Multiply<BF16Panel, Rows2>);
        SetPairTile(2, &FloatPairs256.Multiply<F32Panel, Rows2>, &FloatPairs256.Multiply<F16Panel, Rows2>,
            &FloatPairs256.Multiply<BF16Panel, Rows2>);
        SetTile(3, &FloatTiles256.Multiply<F32Panel, Rows3>, &FloatTiles256.Multiply<F16Panel, Rows3>,
            &FloatTiles256.Multiply<BF16Panel, Rows3>);
        SetPairTile(3, &FloatPairs256.Multiply<F32Panel, Rows3>, &FloatPairs256.Multiply<F16Panel, Rows3>,
            &FloatPairs256.Multiply<BF16Panel, Rows3>);
        SetTile(4, &FloatTiles256.Multiply<F32Panel, Rows4>, &FloatTiles256.Multiply<F16Panel, Rows4>,
            &FloatTiles256.Multiply<BF16Panel, Rows4>);
        SetTile(6, &FloatTiles256.Multiply<F32Panel, Rows6>, &FloatTiles256.Multiply<F16Panel, Rows6>,
            &FloatTiles256.Multiply<BF16Panel, Rows6>);
    }

    /// <summary>One token is bound by memory, not by the width of a vector: its float kernels, and those of two or three, stay those of AVX2.</summary>
    private void Use512()
    {
        TileRows = MaxTileRows;
        IntTileRows = MaxTileRows;
        DirectRows = 8;
        SetIntDirect(1, &IntDirect512.Multiply<Int8Tile, Rows1>, &IntDirect512.Multiply<Int4Tile, Rows1>);
        SetIntDirect(2, &IntDirect512.Multiply<Int8Tile, Rows2>, &IntDirect512.Multiply<Int4Tile, Rows2>);
        SetIntDirect(3, &IntDirect512.Multiply<Int8Tile, Rows3>, &IntDirect512.Multiply<Int4Tile, Rows3>);
        SetIntDirect(4, &IntDirect512.Multiply<Int8Tile, Rows4>, &IntDirect512.Multiply<Int4Tile, Rows4>);
        SetIntDirect(6, &IntDirect512.Multiply<Int8Tile, Rows6>, &IntDirect512.Multiply<Int4Tile, Rows6>);
        SetIntDirect(8, &IntDirect512.Multiply<Int8Tile, Rows8>, &IntDirect512.Multiply<Int4Tile, Rows8>);
        TilePanels = 2;
        SetIntTiles(1, &IntTiles512.Multiply<Int8Tile, Rows1>, &IntTiles512.Multiply<Int4Tile, Rows1>);
        SetIntTiles(2, &IntTiles512.Multiply<Int8Tile, Rows2>, &IntTiles512.Multiply<Int4Tile, Rows2>);
        SetIntTiles(3, &IntTiles512.Multiply<Int8Tile, Rows3>, &IntTiles512.Multiply<Int4Tile, Rows3>);
        SetIntTiles(4, &IntTiles512.Multiply<Int8Tile, Rows4>, &IntTiles512.Multiply<Int4Tile, Rows4>);
        SetIntTiles(6, &IntTiles512.Multiply<Int8Tile, Rows6>, &IntTiles512.Multiply<Int4Tile, Rows6>);
        SetIntTiles(8, &IntTiles512.Multiply<Int8Tile, Rows8>, &IntTiles512.Multiply<Int4Tile, Rows8>);
        SetIntTiles(12, &IntTiles512.Multiply<Int8Tile, Rows12>, &IntTiles512.Multiply<Int4Tile, Rows12>);
        SetIntegers(PanelFormat.Int8, &IntStreams.Add512<Int8Panel>);
        SetIntegers(PanelFormat.Int4, &IntStreams.Add512<Int4Panel>);
        SetFourIntegers(PanelFormat.Int8, &IntFourStreams.Add512<Int8Panel>);
        SetFourIntegers(PanelFormat.Int4, &IntFourStreams.Add512<Int4Panel>);
        SetTile(1, &FloatTiles512.Multiply<F32Panel, Rows1>, &FloatTiles512.Multiply<F16Panel, Rows1>,
            &FloatTiles512.Multiply<BF16Panel, Rows1>);
        SetTile(2, &FloatPairs256.Multiply<F32Panel, Rows2>, &FloatPairs256.Multiply<F16Panel, Rows2>,
            &FloatPairs256.Multiply<BF16Panel, Rows2>);
        SetTile(3, &FloatPairs256.Multiply<F32Panel, Rows3>, &FloatPairs256.Multiply<F16Panel, Rows3>,
            &FloatPairs256.Multiply<BF16Panel, Rows3>);
        SetTile(4, &FloatTiles512.Multiply<F32Panel, Rows4>, &FloatTiles512.Multiply<F16Panel, Rows4>,
            &FloatTiles512.Multiply<BF16Panel, Rows4>);
        SetTile(6, &FloatTiles512.Multiply<F32Panel, Rows6>, &FloatTiles512.Multiply<F16Panel, Rows6>,
            &FloatTiles512.Multiply<BF16Panel, Rows6>);
        SetTile(8, &FloatTiles512.Multiply<F32Panel, Rows8>, &FloatTiles512.Multiply<F16Panel, Rows8>,
            &FloatTiles512.Multiply<BF16Panel, Rows8>);
        SetTile(12, &FloatTiles512.Multiply<F32Panel, Rows12>, &FloatTiles512.Multiply<F16Panel, Rows12>,
            &FloatTiles512.Multiply<BF16Panel, Rows12>);
    }

    private void SetTile(
        int rows,
        delegate*<float*, byte*, nint, nint, float*, nint, int, void> f32,
        delegate*<float*, byte*, nint, nint, float*, nint, int, void> f16,
        delegate*<float*, byte*, nint, nint, float*, nint, int, void> bf16)
    {
        _tiles[((int)PanelFormat.F32 * (MaxTileRows + 1)) + rows] = (nint)f32;
        _tiles[((int)PanelFormat.F16 * (MaxTileRows + 1)) + rows] = (nint)f16;
        _tiles[((int)PanelFormat.BF16 * (MaxTileRows + 1)) + rows] = (nint)bf16;
    }

    private void SetPairTile(
        int rows,
        delegate*<float*, byte*, nint, nint, float*, nint, int, void> f32,
        delegate*<float*, byte*, nint, nint, float*, nint, int, void> f16,
        delegate*<float*, byte*, nint, nint, float*, nint, int, void> bf16)
    {
        _pairTiles[((int)PanelFormat.F32 * (MaxTileRows + 1)) + rows] = (nint)f32;
        _pairTiles[((int)PanelFormat.F16 * (MaxTileRows + 1)) + rows] = (nint)f16;
        _pairTiles[((int)PanelFormat.BF16 * (MaxTileRows + 1)) + rows] = (nint)bf16;
    }

    private void SetIntTiles(int rows, delegate*<IntTile*, void> int8, delegate*<IntTile*, void> int4)
    {
        _intTiles[((int)PanelFormat.Int8 * (MaxTileRows + 1)) + rows] = (nint)int8;
        _intTiles[((int)PanelFormat.Int4 * (MaxTileRows + 1)) + rows] = (nint)int4;
    }

    private void SetIntDirect(int rows, delegate*<IntTile*, void> int8, delegate*<IntTile*, void> int4)
    {
        _intDirect[((int)PanelFormat.Int8 * (MaxTileRows + 1)) + rows] = (nint)int8;
        _intDirect[((int)PanelFormat.Int4 * (MaxTileRows + 1)) + rows] = (nint)int4;
    }

    private void SetFourIntegers(PanelFormat format, delegate*<PackedPart*, byte*, nint, int, int, QuantizedRow*, float*, void> kernel) =>
        _fourIntegers[(int)format] = (nint)kernel;

    private void SetUnpack(PanelFormat format, delegate*<byte*, nint, float*, void> kernel) => _unpack[(int)format] = (nint)kernel;

    private void SetStreams(
        PanelFormat format, delegate*<float*, byte*, nint, nint, nint, float*, void> four,
            delegate*<float*, byte*, nint, nint, nint, float*, void> one)
    {
        _fourStreams[(int)format] = (nint)four;
        _oneStream[(int)format] = (nint)one;
    }

    private void SetIntegers(
        PanelFormat format, delegate*<PackedPart*, byte*, nint, int, int, int, QuantizedRow*, float*, nint, void> kernel) =>
        _integers[(int)format] = (nint)kernel;
}
