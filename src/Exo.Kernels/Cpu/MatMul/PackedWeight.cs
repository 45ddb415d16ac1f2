namespace Exo.Kernels;

/// <summary>How the elements of a packed panel lie.</summary>
internal enum PanelFormat
{
    /// <summary>float32: [column][16 outputs].</summary>
    F32,

    /// <summary>float16: [column][8 lanes of 32 bits], lane i holds output i (low half) and output i + 8 (high half).</summary>
    F16,

    /// <summary>bfloat16, paired as F16: a shift gives outputs 0-7 as floats, a mask outputs 8-15.</summary>
    BF16,

    /// <summary>
    /// Blocks of 32 columns, 512 bytes: [8 quads of columns][16 outputs][4 columns], q' = q - 128 as signed bytes; a header where a
    /// weight group begins.
    /// </summary>
    Int8,

    /// <summary>
    /// Blocks of 32 columns, 256 bytes: [4][16 outputs][4 columns]; the low nibbles of vector j are quad j, the high ones quad j + 4,
    /// q unsigned (q' = q - 8); a header where a weight group begins.
    /// </summary>
    Int4,
}

/// <summary>
/// Rows of one format inside a packed weight. Panels of 16 outputs (missing rows of the last one are zero), columns ascending: the same
/// layout for every instruction set, for one token and for many.
/// </summary>
internal unsafe struct PackedPart
{
    public PanelFormat Format;

    /// <summary>Integer panels: type of the scales and biases in the headers.</summary>
    public DType ScaleType;

    /// <summary>Integer panels: 1 where a header holds 16 biases after its 16 scales.</summary>
    public int HasBiases;

    /// <summary>First output of this part among the weight's.</summary>
    public int FirstRow;

    public int NumRows;

    public int NumPanels;

    /// <summary>Distance of two panels in bytes.</summary>
    public nint PanelBytes;

    public byte* Panels;

    /// <summary>Added to the outputs, [NumRows], or null.</summary>
    public float* RowBias;

    /// <summary>Integer panels: byte offsets of header and quants of each block inside a panel, [blocks][2].</summary>
    public int* Blocks;

    public readonly bool IsInteger => Format is PanelFormat.Int8 or PanelFormat.Int4;

    public readonly byte* Panel(int panel) => Panels + (panel * PanelBytes);
}

/// <summary>What the kernels see of a weight: unmanaged, so that a region's job can point at it.</summary>
internal unsafe struct PackedWeight
{
    public const int PanelRows = 16;

    public int NumRows;

    public int NumColumns;

    public int NumParts;

    public PackedPart* Parts;

    public ColumnPlan Plan;

    /// <summary>True where some part multiplies int8 activations.</summary>
    public readonly bool HasInteger
    {
        get
        {
            for (int i = 0; i < NumParts; i++)
                if (Parts[i].IsInteger) return true;
            return false;
        }
    }

    /// <summary>True where some part has 8-bit quants.</summary>
    public readonly bool HasInt8
    {
        get
        {
            for (int i = 0; i < NumParts; i++)
                if (Parts[i].Format == PanelFormat.Int8) return true;
            return false;
        }
    }

    /// <summary>True where some part multiplies float32 activations.</summary>
    public readonly bool HasFloat
    {
        get
        {
            for (int i = 0; i < NumParts; i++)
                if (!Parts[i].IsInteger) return true;
            return false;
        }
    }
}
