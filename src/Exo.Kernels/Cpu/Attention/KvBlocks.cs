using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels.Cpu;

/// <summary>The keys and values of one block of 16 positions, where the products read them: in the page itself, or converted.</summary>
internal unsafe struct KvBlock
{
    /// <summary>[KeyWidth, 16].</summary>
    public byte* Keys;

    /// <summary>True where the keys are halves.</summary>
    public bool KeysAreHalf;

    /// <summary>Bytes from the page of these keys, where they are read there, to the page of the next step's; else 0.</summary>
    public nint KeysAhead;

    /// <summary>The same of the values.</summary>
    public nint ValuesAhead;

    /// <summary>[16, ValueStride].</summary>
    public byte* Values;

    /// <summary>True where the values are halves.</summary>
    public bool ValuesAreHalf;

    /// <summary>Elements between the values of two positions.</summary>
    public nint ValueStride;

    /// <summary>Columns to compute: the value's width, or more where the values are padded with zeros.</summary>
    public int ValueColumns;
}

/// <summary>Finds a block in its page and decides whether it is converted first.</summary>
internal static unsafe class KvBlocks<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Block = KvLayout.PageSize;

    // Up to this many queries share one pass over a block: converting while multiplying is then cheaper than a detour through memory.
    private const int MaxQueriesInOnePass = 6;

    // Blocks that are converted first should stay in the first cache level, keys and values.
    private const int MaxConvertedBytes = 16 * 1024;

    /// <summary>
    /// How many blocks make one step of the unit: several hide the latency of a softmax, and the sums are loaded and stored less often.
    /// </summary>
    public static int MaxBlocks(in AttentionJob job, in AttentionUnit unit)
    {
        if (unit.NumQueries <= MaxQueriesInOnePass) return AttentionSizes.MaxBlocksAtOnce;
        int bytes = (job.Layout.KeyWidth + job.PaddedValueWidth) * Block * sizeof(float);
        return Math.Clamp(MaxConvertedBytes / bytes, 1, AttentionSizes.MaxBlocksAtOnce);
    }

    /// <summary>True where finite halves are multiplied straight from the pages, keys and values alike.</summary>
    public static bool MultipliesHalves(in AttentionJob job, in AttentionUnit unit) =>
        job.Type == DType.F16 && job.IsFinite && unit.NumQueries <= MaxQueriesInOnePass && !job.Layout.ValuesInKeys
            && job.Layout.ValueWidth % TSimd.Width == 0;

    /// <summary>
    /// Block <paramref name="index"/> of the unit's sequence, converted into <paramref name="part"/> where it must be. The block
    /// <paramref name="ahead"/> further on is fetched.
    /// </summary>
    public static KvBlock Open(in AttentionJob job, in AttentionUnit unit, int index, int ahead, (nint Keys, nint Values) part)
    {
        KvLayout layout = job.Layout;
        int bytes = job.Type.Bytes(), padded = job.PaddedValueWidth;
        byte* page = (byte*)job.CacheAddress + (unit.Pages[index] * job.PageBytes);
        byte* keys = page + ((nint)unit.KvHead * layout.KeyWidth * Block * bytes);
        byte* values = page + (((nint)layout.KeyElements + ((nint)unit.KvHead * layout.ValueWidth * Block)) * bytes);
        bool hasNext = index + ahead <= unit.LastPosition / Block;
        nint distance = hasNext ? (unit.Pages[index + ahead] - (nint)unit.Pages[index]) * job.PageBytes : 0;
        bool isHalf = job.Type == DType.F16, isOnePass = unit.NumQueries <= MaxQueriesInOnePass;
        var block = new KvBlock
        {
            Keys = keys,
            KeysAreHalf = isHalf,
            KeysAhead = distance,
            Values = (byte*)part.Values,
            ValueStride = padded,
            ValueColumns = padded,
        };
        if (isHalf && (layout.ValuesInKeys || !isOnePass))
        {
            Convert((ushort*)keys, (float*)part.Keys, layout.KeyWidth * Block);
            block.Keys = (byte*)part.Keys;
            block.KeysAreHalf = false;
            block.KeysAhead = 0;
        }
        if (layout.ValuesInKeys)
        {
            Transpose((float*)block.Keys, layout.ValueWidth, (float*)part.Values, padded);
            return block;
        }
        if (layout.ValueWidth % TSimd.Width == 0 && (!isHalf || isOnePass))
        {
            block.Values = values;
            block.ValuesAreHalf = isHalf;
            block.ValuesAhead = distance;
            block.ValueStride = block.ValueColumns = layout.ValueWidth;
            return block;
        }
        for (int cell = 0; cell < Block; cell++)
        {
            float* target = (float*)part.Values + ((nint)cell * padded);
            nint first = (nint)cell * layout.ValueWidth;
            if (isHalf) Convert((ushort*)values + first, target, layout.ValueWidth);
            else new ReadOnlySpan<float>((float*)values + first, layout.ValueWidth).CopyTo(new Span<float>(target, padded));
        }
        return block;
    }

    private static void Convert(ushort* source, float* target, int count)
    {
        int i = 0;
        for (; i <= count - TSimd.Width; i += TSimd.Width) TSimd.Store(target + i, TSimd.LoadHalf(source + i));
        for (; i < count; i++) target[i] = Numerics.Fp.HalfToSingle(source[i]);
    }

    /// <summary>Rows [0, width) of keys [KeyWidth, 16] become the columns of target [16, stride].</summary>
    private static void Transpose(float* keys, int width, float* target, int stride)
    {
        int row = 0;
        if (Sse.IsSupported || AdvSimd.Arm64.IsSupported)
            for (; row <= width - 4; row += 4)
                for (int cell = 0; cell < Block; cell += 4)
                    Transpose4(keys + ((nint)row * Block) + cell, target + ((nint)cell * stride) + row, stride);
        for (; row < width; row++)
            for (int cell = 0; cell < Block; cell++) target[((nint)cell * stride) + row] = keys[((nint)row * Block) + cell];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4(float* source, float* target, nint stride)
    {
        Vector128<float> a = Vector128.Load(source), b = Vector128.Load(source + Block);
        Vector128<float> c = Vector128.Load(source + (2 * Block)), d = Vector128.Load(source + (3 * Block));
        Vector128<float> lowAc = Low(a, c), highAc = High(a, c), lowBd = Low(b, d), highBd = High(b, d);
        Low(lowAc, lowBd).Store(target);
        High(lowAc, lowBd).Store(target + stride);
        Low(highAc, highBd).Store(target + (2 * stride));
        High(highAc, highBd).Store(target + (3 * stride));
    }

    // (x0, y0, x1, y1)
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> x, Vector128<float> y) =>
        Sse.IsSupported ? Sse.UnpackLow(x, y) : AdvSimd.Arm64.ZipLow(x, y);

    // (x2, y2, x3, y3)
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> x, Vector128<float> y) =>
        Sse.IsSupported ? Sse.UnpackHigh(x, y) : AdvSimd.Arm64.ZipHigh(x, y);
}
