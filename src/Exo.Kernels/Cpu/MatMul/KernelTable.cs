namespace Exo.Kernels;

/// <summary>The matmul kernels of one instruction set.</summary>
internal unsafe struct KernelTable
{
    /// <summary>Tokens of the largest float tile.</summary>
    public int TileRows;

    /// <summary>Panels that a float tile multiplies at once.</summary>
    public int TilePanels;

    /// <summary>Tokens of the largest integer tile; 1 where several tokens are multiplied one by one.</summary>
    public int IntTileRows;

    public const int MaxTileRows = 12;

    private const int NumFormats = 5;
    private fixed long _fourStreams[NumFormats];
    private fixed long _oneStream[NumFormats];
    private fixed long _integers[NumFormats];
    private fixed long _unpack[NumFormats];
    private fixed long _intTiles[NumFormats * (MaxTileRows + 1)];
    private fixed long _tiles[MaxTileRows + 1];

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

    /// <summary>Columns of a 16-bit panel to float32: (from, columns, to).</summary>
    public readonly delegate*<byte*, nint, float*, void> Unpack(PanelFormat format) =>
        (delegate*<byte*, nint, float*, void>)(nint)_unpack[(int)format];

    /// <summary>Several tokens: (x, panel, panelStep, columns, sums, sumsStep, load)</summary>
    public readonly delegate*<float*, float*, nint, nint, float*, nint, int, void> Tile(int rows) =>
        (delegate*<float*, float*, nint, nint, float*, nint, int, void>)(nint)_tiles[rows];

    /// <summary>Several tokens, integer panels.</summary>
    public readonly delegate*<IntTile*, void> IntTile(PanelFormat format, int rows) =>
        (delegate*<IntTile*, void>)(nint)_intTiles[((int)format * (MaxTileRows + 1)) + rows];

    /// <summary>Tokens of the integer tile for a last tile of <paramref name="rows"/>.</summary>
    public readonly int RoundIntRows(int rows) => IntTileRows == 1 ? 1 : RoundRows(rows);

    /// <summary>Tokens of the tile that is used for a last tile of <paramref name="rows"/>: the next size that is compiled.</summary>
    public readonly int RoundRows(int rows)
    {
        while (_tiles[rows] == 0) rows++;
        return rows;
    }

    private void Use128()
    {
        TileRows = 4;
        IntTileRows = 1;
        TilePanels = 1;
        SetStreams(PanelFormat.F32, &FloatStreams.Four128<F32Panel>, &FloatStreams.One128<F32Panel>);
        SetStreams(PanelFormat.F16, &FloatStreams.Four128<F16Panel>, &FloatStreams.One128<F16Panel>);
        SetStreams(PanelFormat.BF16, &FloatStreams.Four128<BF16Panel>, &FloatStreams.One128<BF16Panel>);
        SetUnpack(PanelFormat.F16, &PanelUnpacker.Unpack128<F16Panel>);
        SetUnpack(PanelFormat.BF16, &PanelUnpacker.Unpack128<BF16Panel>);
        SetIntegers(PanelFormat.Int8, &IntStreams.Add128<Int8Panel>);
        SetIntegers(PanelFormat.Int4, &IntStreams.Add128<Int4Panel>);
        SetTile(1, &FloatTiles128.Multiply<Rows1>);
        SetTile(2, &FloatTiles128.Multiply<Rows2>);
        SetTile(4, &FloatTiles128.Multiply<Rows4>);
    }

    private void Use256()
    {
        TileRows = 6;
        IntTileRows = 6;
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
        SetTile(1, &FloatTiles256.Multiply<Rows1>);
        SetTile(2, &FloatTiles256.Multiply<Rows2>);
        SetTile(3, &FloatTiles256.Multiply<Rows3>);
        SetTile(4, &FloatTiles256.Multiply<Rows4>);
        SetTile(6, &FloatTiles256.Multiply<Rows6>);
    }

    /// <summary>One token is bound by memory, not by the width of a vector: its float kernels stay those of AVX2.</summary>
    private void Use512()
    {
        TileRows = MaxTileRows;
        IntTileRows = MaxTileRows;
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
        SetTile(1, &FloatTiles512.Multiply<Rows1>);
        SetTile(2, &FloatTiles512.Multiply<Rows2>);
        SetTile(3, &FloatTiles512.Multiply<Rows3>);
        SetTile(4, &FloatTiles512.Multiply<Rows4>);
        SetTile(6, &FloatTiles512.Multiply<Rows6>);
        SetTile(8, &FloatTiles512.Multiply<Rows8>);
        SetTile(12, &FloatTiles512.Multiply<Rows12>);
    }

    private void SetTile(int rows, delegate*<float*, float*, nint, nint, float*, nint, int, void> kernel) => _tiles[rows] = (nint)kernel;

    private void SetIntTiles(int rows, delegate*<IntTile*, void> int8, delegate*<IntTile*, void> int4)
    {
        _intTiles[((int)PanelFormat.Int8 * (MaxTileRows + 1)) + rows] = (nint)int8;
        _intTiles[((int)PanelFormat.Int4 * (MaxTileRows + 1)) + rows] = (nint)int4;
    }

    private void SetUnpack(PanelFormat format, delegate*<byte*, nint, float*, void> kernel) => _unpack[(int)format] = (nint)kernel;

    private void SetStreams(
        PanelFormat format, delegate*<float*, byte*, nint, nint, nint, float*, void> four, delegate*<float*, byte*, nint, nint, nint, float*, void> one)
    {
        _fourStreams[(int)format] = (nint)four;
        _oneStream[(int)format] = (nint)one;
    }

    private void SetIntegers(
        PanelFormat format, delegate*<PackedPart*, byte*, nint, int, int, int, QuantizedRow*, float*, nint, void> kernel) =>
        _integers[(int)format] = (nint)kernel;
}
