using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels;

/// <summary>
/// Sixteen rows of a source, turned so that their elements lie side by side. All steps work on 32-bit lanes: a float, a pair of
/// 16-bit floats from two rows, four bytes, or eight nibbles.
/// </summary>
internal readonly unsafe struct RowTransposer
{
    // Eight lines of a cache set: rows that lie a power of two apart meet there, so a line is used up before others take its place.
    private const int LineBytes = 64;
    private readonly byte** _rows;
    private readonly nint _nextPanel;

    /// <summary>
    /// Looks at the rows of a panel; <paramref name="rows"/> has room for 16 addresses. Where a panel has fewer rows its last one
    /// stands in for those missing: what the kernels make of them is never written out.
    /// </summary>
    public RowTransposer(byte** rows, PackJob* job, int panel)
    {
        int numRows = job->RowsOf(panel);
        for (int r = 0; r < PackedWeight.PanelRows; r++)
            rows[r] = job->Source + ((((nint)panel * PackedWeight.PanelRows) + Math.Min(r, numRows - 1)) * job->RowBytes);
        _rows = rows;
        _nextPanel = PackedWeight.PanelRows * job->RowBytes;
    }

    /// <summary>A row's first byte.</summary>
    public byte* Row(int row) => _rows[row];

    /// <summary>to[j][r] = lane j of row r, xor <paramref name="flip"/>, for a number of lanes divisible by 4, from a byte offset.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Lanes(nint offset, nint numLanes, uint* to, uint flip)
    {
        Vector128<uint> mask = Vector128.Create(flip);
        for (nint first = 0; first < numLanes; first += LineBytes / 4)
        {
            nint end = Math.Min(first + (LineBytes / 4), numLanes);
            for (int r = 0; r < PackedWeight.PanelRows; r += 4)
            {
                byte* a = _rows[r] + offset, b = _rows[r + 1] + offset, c = _rows[r + 2] + offset, d = _rows[r + 3] + offset;
                nint next = _nextPanel + (4 * first);
                Prefetch(a + next, b + next, c + next, d + next);
                for (nint j = first; j < end; j += 4)
                {
                    Turn(
                        Vector128.Load((uint*)(a + (4 * j))), Vector128.Load((uint*)(b + (4 * j))), Vector128.Load((uint*)(c + (4 * j))),
                        Vector128.Load((uint*)(d + (4 * j))), mask, to + (16 * j) + r);
                }
            }
        }
    }

    /// <summary>to[k][i] = the 16-bit element k of row i below that of row i + 8, for a number of columns divisible by 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Pairs(nint offset, nint numColumns, uint* to)
    {
        for (nint first = 0; first < numColumns; first += LineBytes / 2)
        {
            nint end = Math.Min(first + (LineBytes / 2), numColumns);
            for (int r = 0; r < 8; r += 4)
            {
                byte* low0 = _rows[r] + offset, low1 = _rows[r + 1] + offset, low2 = _rows[r + 2] + offset, low3 = _rows[r + 3] + offset;
                byte* high0 = _rows[r + 8] + offset, high1 = _rows[r + 9] + offset, high2 = _rows[r + 10] + offset, high3 = _rows[r + 11] + offset;
                nint next = _nextPanel + (2 * first);
                Prefetch(low0 + next, low1 + next, low2 + next, low3 + next);
                Prefetch(high0 + next, high1 + next, high2 + next, high3 + next);
                for (nint k = first; k < end; k += 8)
                {
                    Vector128<ushort> a = Load16(low0, k), a8 = Load16(high0, k), b = Load16(low1, k), b8 = Load16(high1, k);
                    Vector128<ushort> c = Load16(low2, k), c8 = Load16(high2, k), d = Load16(low3, k), d8 = Load16(high3, k);
                    uint* at = to + (8 * k) + r;
                    TurnPairs(Zip.Low(a, a8), Zip.Low(b, b8), Zip.Low(c, c8), Zip.Low(d, d8), at);
                    TurnPairs(Zip.High(a, a8), Zip.High(b, b8), Zip.High(c, c8), Zip.High(d, d8), at + 32);
                }
            }
        }
    }

    // A line of four rows of the next panel: the hardware does not follow 16 rows at once, each of a page or so. May lie beyond the end.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* a, byte* b, byte* c, byte* d)
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch1(a);
        Sse.Prefetch1(b);
        Sse.Prefetch1(c);
        Sse.Prefetch1(d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Load16(byte* row, nint column) => Vector128.Load((ushort*)row + column);

    /// <summary>
    /// One block of 32 nibbles a row: 4 vectors of [16 rows][4 bytes], columns 0-15 in the low nibbles, 16-31 in the high ones.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Nibbles(nint offset, uint* to)
    {
        for (int r = 0; r < PackedWeight.PanelRows; r += 4)
        {
            Turn(
                Halves(_rows[r] + offset), Halves(_rows[r + 1] + offset), Halves(_rows[r + 2] + offset), Halves(_rows[r + 3] + offset),
                Vector128<uint>.Zero, to + r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Halves(byte* from)
    {
        Vector128<byte> v = Vector128.Load(from), even = v & Vector128.Create((byte)15), odd = v >> 4;
        return (Zip.Low(even, odd) | (Zip.High(even, odd) << 4)).AsUInt32();
    }

    /// <summary>Four floats of four rows: to[j * step + i] = row i's element j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Turn(float* a, float* b, float* c, float* d, float* to, nint step)
    {
        Vector128<uint> va = Vector128.Load((uint*)a), vb = Vector128.Load((uint*)b), vc = Vector128.Load((uint*)c),
            vd = Vector128.Load((uint*)d);
        Vector128<ulong> abLow = Zip.Low(va, vb).AsUInt64(), abHigh = Zip.High(va, vb).AsUInt64();
        Vector128<ulong> cdLow = Zip.Low(vc, vd).AsUInt64(), cdHigh = Zip.High(vc, vd).AsUInt64();
        Zip.Low(abLow, cdLow).AsSingle().Store(to);
        Zip.High(abLow, cdLow).AsSingle().Store(to + step);
        Zip.Low(abHigh, cdHigh).AsSingle().Store(to + (2 * step));
        Zip.High(abHigh, cdHigh).AsSingle().Store(to + (3 * step));
    }

    /// <summary>4 x 4 lanes: row j of the result at to + 16 j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn(Vector128<uint> a, Vector128<uint> b, Vector128<uint> c, Vector128<uint> d, Vector128<uint> mask, uint* to)
    {
        Vector128<ulong> abLow = Zip.Low(a, b).AsUInt64(), abHigh = Zip.High(a, b).AsUInt64();
        Vector128<ulong> cdLow = Zip.Low(c, d).AsUInt64(), cdHigh = Zip.High(c, d).AsUInt64();
        (Zip.Low(abLow, cdLow).AsUInt32() ^ mask).Store(to);
        (Zip.High(abLow, cdLow).AsUInt32() ^ mask).Store(to + 16);
        (Zip.Low(abHigh, cdHigh).AsUInt32() ^ mask).Store(to + 32);
        (Zip.High(abHigh, cdHigh).AsUInt32() ^ mask).Store(to + 48);
    }

    /// <summary>The same with 8 lanes a row of the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnPairs(Vector128<ushort> a, Vector128<ushort> b, Vector128<ushort> c, Vector128<ushort> d, uint* to)
    {
        Vector128<ulong> abLow = Zip.Low(a.AsUInt32(), b.AsUInt32()).AsUInt64(), abHigh = Zip.High(a.AsUInt32(), b.AsUInt32()).AsUInt64();
        Vector128<ulong> cdLow = Zip.Low(c.AsUInt32(), d.AsUInt32()).AsUInt64(), cdHigh = Zip.High(c.AsUInt32(), d.AsUInt32()).AsUInt64();
        Zip.Low(abLow, cdLow).AsUInt32().Store(to);
        Zip.High(abLow, cdLow).AsUInt32().Store(to + 8);
        Zip.Low(abHigh, cdHigh).AsUInt32().Store(to + 16);
        Zip.High(abHigh, cdHigh).AsUInt32().Store(to + 24);
    }
}

/// <summary>The lower or upper elements of two vectors, alternating.</summary>
internal static class Zip
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> Low<T>(Vector128<T> a, Vector128<T> b)
    {
        if (typeof(T) == typeof(byte))
            return (Sse2.IsSupported ? Sse2.UnpackLow(a.AsByte(), b.AsByte()) : AdvSimd.Arm64.ZipLow(a.AsByte(), b.AsByte())).As<byte, T>();
        if (typeof(T) == typeof(ushort))
            return (Sse2.IsSupported ? Sse2.UnpackLow(a.AsUInt16(), b.AsUInt16()) : AdvSimd.Arm64.ZipLow(a.AsUInt16(),
                b.AsUInt16())).As<ushort, T>();
        if (typeof(T) == typeof(uint))
            return (Sse2.IsSupported ? Sse2.UnpackLow(a.AsUInt32(), b.AsUInt32()) : AdvSimd.Arm64.ZipLow(a.AsUInt32(),
                b.AsUInt32())).As<uint, T>();
        return (Sse2.IsSupported ? Sse2.UnpackLow(a.AsUInt64(), b.AsUInt64()) : AdvSimd.Arm64.ZipLow(a.AsUInt64(),
            b.AsUInt64())).As<ulong, T>();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> High<T>(Vector128<T> a, Vector128<T> b)
    {
        if (typeof(T) == typeof(byte))
            return (Sse2.IsSupported ? Sse2.UnpackHigh(a.AsByte(), b.AsByte()) : AdvSimd.Arm64.ZipHigh(a.AsByte(),
                b.AsByte())).As<byte, T>();
        if (typeof(T) == typeof(ushort))
            return (Sse2.IsSupported ? Sse2.UnpackHigh(a.AsUInt16(), b.AsUInt16()) : AdvSimd.Arm64.ZipHigh(a.AsUInt16(),
                b.AsUInt16())).As<ushort, T>();
        if (typeof(T) == typeof(uint))
            return (Sse2.IsSupported ? Sse2.UnpackHigh(a.AsUInt32(), b.AsUInt32()) : AdvSimd.Arm64.ZipHigh(a.AsUInt32(),
                b.AsUInt32())).As<uint, T>();
        return (Sse2.IsSupported ? Sse2.UnpackHigh(a.AsUInt64(), b.AsUInt64()) : AdvSimd.Arm64.ZipHigh(a.AsUInt64(),
            b.AsUInt64())).As<ulong, T>();
    }
}
