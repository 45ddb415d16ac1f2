namespace Exo.Kernels;

/// <summary>What a layer keeps of each position, as far as this rank holds it.</summary>
/// <param name="NumKvHeads">KV heads held.</param>
/// <param name="KeyWidth">Floats of a key of one head.</param>
/// <param name="ValueWidth">Floats of a value of one head.</param>
/// <param name="ValuesInKeys">True where a value is the first ValueWidth floats of its key (MLA): nothing else is stored.</param>
/// <param name="Window">A row sees its own and the Window - 1 positions before it; 0 = all.</param>
public readonly record struct KvLayout(int NumKvHeads, int KeyWidth, int ValueWidth, bool ValuesInKeys = false, int Window = 0)
{
    /// <summary>Positions of a page.</summary>
    public const int PageSize = 16;

    /// <summary>Elements of a page's keys: [kvHead][KeyWidth][16 positions].</summary>
    public int KeyElements => NumKvHeads * KeyWidth * PageSize;

    /// <summary>Elements of a page's values: [kvHead][16 positions][ValueWidth]; none with ValuesInKeys.</summary>
    public int ValueElements => ValuesInKeys ? 0 : NumKvHeads * ValueWidth * PageSize;

    /// <summary>Bytes of a page.</summary>
    public nint PageBytes(DType type) => (nint)(KeyElements + ValueElements) * type.Bytes();
}

/// <summary>
/// The pages of one layer in device memory. Page p begins at Address + p * PageBytes: its keys, then its values. What a page holds
/// beyond the positions written is undefined and never multiplied.
/// </summary>
public sealed class KvCache : IDisposable
{
    private readonly IDisposable _memory;

    /// <summary>Takes ownership of <paramref name="memory"/>, whose first byte is at <paramref name="address"/>.</summary>
    public KvCache(KvLayout layout, DType type, int numPages, nint address, IDisposable memory)
    {
        Layout = layout;
        Type = type;
        NumPages = numPages;
        Address = address;
        PageBytes = layout.PageBytes(type);
        _memory = memory;
    }

    /// <summary>Shape of a position.</summary>
    public KvLayout Layout { get; }

    /// <summary>F16, or F32.</summary>
    public DType Type { get; }

    /// <summary>Pages.</summary>
    public int NumPages { get; }

    /// <summary>Address of page 0.</summary>
    public nint Address { get; }

    /// <summary>Distance of two pages.</summary>
    public nint PageBytes { get; }

    /// <summary>
    /// True once a key or value was appended that F16 does not hold as a finite number. Kernels may read halves the shorter way, which is
    /// wrong for infinities and NaN alone, as long as this is false.
    /// </summary>
    internal bool MayHoldNonFinite { get; set; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
