using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels;

/// <summary>
/// The exact dot products of one block of 32 columns of a panel with one token's 32 quants, x as 8 quads of bytes. No intermediate
/// saturates. Results are those of the stored quants: with unsigned ones the caller subtracts Offset times the sum of x.
/// </summary>
internal unsafe interface IIntPanel
{
    /// <summary>2^(bits - 1): q' = q - Half.</summary>
    static abstract int Half { get; }

    /// <summary>What the stored quants are above q'.</summary>
    static abstract int Offset { get; }

    /// <summary>Vectors of 64 bytes (16 outputs) in a block.</summary>
    static abstract int Vectors { get; }

    /// <summary>Adds vector j of a block, 8 outputs of it, times quad j of x and, for nibbles, quad j + Vectors.</summary>
    static abstract Vector256<short> Add(Vector256<short> sum, Vector256<sbyte> w, Vector256<int> x, Vector256<int> y);

    /// <summary>The same for 16 outputs.</summary>
    static abstract Vector512<short> Add(Vector512<short> sum, Vector512<sbyte> w, Vector512<int> x, Vector512<int> y);

    /// <summary>One int32 an output.</summary>
    static abstract Vector256<int> Total(Vector256<short> sum);

    /// <summary>One int32 an output.</summary>
    static abstract Vector512<int> Total(Vector512<short> sum);

    /// <summary>Outputs [4 * quarter, 4 * quarter + 4).</summary>
    static abstract Vector128<int> Dot128(byte* block, int quarter, int* x);

    /// <summary>Outputs [8 * half, 8 * half + 8).</summary>
    static abstract Vector256<int> Dot256(byte* block, int half, int* x);

    /// <summary>All 16 outputs.</summary>
    static abstract Vector512<int> Dot512(byte* block, int* x);
}

/// <summary>Signed bytes.</summary>
internal readonly unsafe struct Int8Panel : IIntPanel
{
    public static int Half => 128;

    public static int Offset => 0;

    public static int Vectors => 8;

    /// <summary>|w| * (x with w's sign): pairs reach 2 * 128 * 127 = 32512, inside int16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Add(Vector256<short> sum, Vector256<sbyte> w, Vector256<int> x, Vector256<int> y)
    {
        Vector256<short> pairs = Avx2.MultiplyAddAdjacent(Avx2.Abs(w), Avx2.Sign(x.AsSByte(), w));
        return Avx2.Add(sum.AsInt32(), Avx2.MultiplyAddAdjacent(pairs, Vector256.Create((short)1))).AsInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Add(Vector512<short> sum, Vector512<sbyte> w, Vector512<int> x, Vector512<int> y)
    {
        Vector512<sbyte> signed = Vector512.ConditionalSelect(Vector512.LessThan(w, default), y.AsSByte(), x.AsSByte());
        Vector512<short> pairs = Avx512BW.MultiplyAddAdjacent(Avx512BW.Abs(w), signed);
        return Avx512F.Add(sum.AsInt32(), Avx512BW.MultiplyAddAdjacent(pairs, Vector512.Create((short)1))).AsInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Total(Vector256<short> sum) => sum.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Total(Vector512<short> sum) => sum.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot128(byte* block, int quarter, int* x)
    {
        sbyte* w = (sbyte*)block + (16 * quarter);
        Vector128<sbyte> x0 = Vector128.Load((sbyte*)x), x1 = Vector128.Load((sbyte*)x + 16);
        Vector128<int> sum = IntDot128.Add(default, Vector128.Load(w), x0, 0);
        sum = IntDot128.Add(sum, Vector128.Load(w + 64), x0, 1);
        sum = IntDot128.Add(sum, Vector128.Load(w + 128), x0, 2);
        sum = IntDot128.Add(sum, Vector128.Load(w + 192), x0, 3);
        sum = IntDot128.Add(sum, Vector128.Load(w + 256), x1, 0);
        sum = IntDot128.Add(sum, Vector128.Load(w + 320), x1, 1);
        sum = IntDot128.Add(sum, Vector128.Load(w + 384), x1, 2);
        return IntDot128.Add(sum, Vector128.Load(w + 448), x1, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot256(byte* block, int half, int* x)
    {
        Vector256<int> even = Quad256(block, half, 0, x), odd = Quad256(block, half, 1, x);
        even = Avx2.Add(even, Quad256(block, half, 2, x));
        odd = Avx2.Add(odd, Quad256(block, half, 3, x));
        even = Avx2.Add(even, Quad256(block, half, 4, x));
        odd = Avx2.Add(odd, Quad256(block, half, 5, x));
        even = Avx2.Add(even, Quad256(block, half, 6, x));
        odd = Avx2.Add(odd, Quad256(block, half, 7, x));
        return Avx2.Add(even, odd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot512(byte* block, int* x)
    {
        Vector512<int> even = Quad512(block, 0, x), odd = Quad512(block, 1, x);
        even = Avx512F.Add(even, Quad512(block, 2, x));
        odd = Avx512F.Add(odd, Quad512(block, 3, x));
        even = Avx512F.Add(even, Quad512(block, 4, x));
        odd = Avx512F.Add(odd, Quad512(block, 5, x));
        even = Avx512F.Add(even, Quad512(block, 6, x));
        odd = Avx512F.Add(odd, Quad512(block, 7, x));
        return Avx512F.Add(even, odd);
    }

    /// <summary>|w| * (x with w's sign): pairs reach 2 * 128 * 127 = 32512, inside int16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Quad256(byte* block, int half, int quad, int* x)
    {
        Vector256<sbyte> w = Vector256.Load((sbyte*)block + (64 * quad) + (32 * half));
        Vector256<sbyte> signed = Avx2.Sign(Vector256.Create(x[quad]).AsSByte(), w);
        return Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Avx2.Abs(w), signed), Vector256.Create((short)1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Quad512(byte* block, int quad, int* x)
    {
        Vector512<sbyte> w = Vector512.Load((sbyte*)block + (64 * quad)), xs = Vector512.Create(x[quad]).AsSByte();
        Vector512<sbyte> signed = Vector512.ConditionalSelect(Vector512.LessThan(w, default), Vector512<sbyte>.Zero - xs, xs);
        return Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(Avx512BW.Abs(w), signed), Vector512.Create((short)1));
    }
}

/// <summary>Unsigned nibbles: eight pairs reach 8 * 2 * 15 * 127 = 30480, inside int16.</summary>
internal readonly unsafe struct Int4Panel : IIntPanel
{
    public static int Half => 8;

    public static int Offset => 8;

    public static int Vectors => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Add(Vector256<short> sum, Vector256<sbyte> w, Vector256<int> x, Vector256<int> y)
    {
        Vector256<byte> mask = Vector256.Create((byte)15), upper = (w.AsUInt16() >> 4).AsByte() & mask;
        sum = Avx2.Add(sum, Avx2.MultiplyAddAdjacent(w.AsByte() & mask, x.AsSByte()));
        return Avx2.Add(sum, Avx2.MultiplyAddAdjacent(upper, y.AsSByte()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Add(Vector512<short> sum, Vector512<sbyte> w, Vector512<int> x, Vector512<int> y)
    {
        Vector512<byte> mask = Vector512.Create((byte)15), upper = (w.AsUInt16() >> 4).AsByte() & mask;
        sum = Avx512BW.Add(sum, Avx512BW.MultiplyAddAdjacent(w.AsByte() & mask, x.AsSByte()));
        return Avx512BW.Add(sum, Avx512BW.MultiplyAddAdjacent(upper, y.AsSByte()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Total(Vector256<short> sum) => Avx2.MultiplyAddAdjacent(sum, Vector256.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Total(Vector512<short> sum) => Avx512BW.MultiplyAddAdjacent(sum, Vector512.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot128(byte* block, int quarter, int* x)
    {
        byte* w = block + (16 * quarter);
        Vector128<sbyte> x0 = Vector128.Load((sbyte*)x), x1 = Vector128.Load((sbyte*)x + 16);
        Vector128<int> sum = Pair128(default, Vector128.Load(w), x0, x1, 0);
        sum = Pair128(sum, Vector128.Load(w + 64), x0, x1, 1);
        sum = Pair128(sum, Vector128.Load(w + 128), x0, x1, 2);
        return Pair128(sum, Vector128.Load(w + 192), x0, x1, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot256(byte* block, int half, int* x)
    {
        Vector256<short> low = default, high = default;
        Pair256(block, half, 0, x, ref low, ref high);
        Pair256(block, half, 1, x, ref low, ref high);
        Pair256(block, half, 2, x, ref low, ref high);
        Pair256(block, half, 3, x, ref low, ref high);
        return Avx2.MultiplyAddAdjacent(Avx2.Add(low, high), Vector256.Create((short)1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Dot512(byte* block, int* x)
    {
        Vector512<short> low = default, high = default;
        Pair512(block, 0, x, ref low, ref high);
        Pair512(block, 1, x, ref low, ref high);
        Pair512(block, 2, x, ref low, ref high);
        Pair512(block, 3, x, ref low, ref high);
        return Avx512BW.MultiplyAddAdjacent(Avx512BW.Add(low, high), Vector512.Create((short)1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Pair128(
        Vector128<int> sum, Vector128<byte> w, Vector128<sbyte> x0, Vector128<sbyte> x1, [ConstantExpected(Max = (byte)3)] byte quad) =>
        IntDot128.Add(IntDot128.Add(sum, (w & Vector128.Create((byte)15)).AsSByte(), x0, quad), (w >> 4).AsSByte(), x1, quad);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pair256(byte* block, int half, int quad, int* x, ref Vector256<short> low, ref Vector256<short> high)
    {
        Vector256<byte> w = Vector256.Load(block + (64 * quad) + (32 * half)), mask = Vector256.Create((byte)15);
        Vector256<byte> upper = (w.AsUInt16() >> 4).AsByte() & mask;
        low = Avx2.Add(low, Avx2.MultiplyAddAdjacent(w & mask, Vector256.Create(x[quad]).AsSByte()));
        high = Avx2.Add(high, Avx2.MultiplyAddAdjacent(upper, Vector256.Create(x[quad + 4]).AsSByte()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pair512(byte* block, int quad, int* x, ref Vector512<short> low, ref Vector512<short> high)
    {
        Vector512<byte> w = Vector512.Load(block + (64 * quad)), mask = Vector512.Create((byte)15);
        Vector512<byte> upper = (w.AsUInt16() >> 4).AsByte() & mask;
        low = Avx512BW.Add(low, Avx512BW.MultiplyAddAdjacent(w & mask, Vector512.Create(x[quad]).AsSByte()));
        high = Avx512BW.Add(high, Avx512BW.MultiplyAddAdjacent(upper, Vector512.Create(x[quad + 4]).AsSByte()));
    }
}

/// <summary>sum[lane] += w[4 lane + i] * x[4 quad + i], i = 0..3, exactly.</summary>
internal static class IntDot128
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Add(Vector128<int> sum, Vector128<sbyte> w, Vector128<sbyte> x, [ConstantExpected(Max = (byte)3)] byte quad)
    {
        if (Dp.IsSupported) return Dp.DotProductBySelectedQuadruplet(sum, w, x, quad);
        if (!AdvSimd.Arm64.IsSupported)
            return AddPortable(sum, w, Vector128.Shuffle(x.AsInt32(), Vector128.Create((int)quad)).AsSByte());
        Vector128<sbyte> same = AdvSimd.DuplicateSelectedScalarToVector128(x.AsInt32(), quad).AsSByte();
        Vector128<short> low = AdvSimd.MultiplyWideningLower(w.GetLower(), same.GetLower()), high = AdvSimd.MultiplyWideningUpper(w, same);
        return AdvSimd.AddPairwiseWideningAndAdd(sum, AdvSimd.Arm64.AddPairwise(low, high));
    }

    /// <summary>Products of the even and of the odd bytes in 16-bit lanes; their sums reach 2 * 128 * 127, inside int16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> AddPortable(Vector128<int> sum, Vector128<sbyte> w, Vector128<sbyte> x)
    {
        Vector128<short> even = ((w.AsInt16() << 8) >> 8) * ((x.AsInt16() << 8) >> 8);
        Vector128<short> pairs = even + ((w.AsInt16() >> 8) * (x.AsInt16() >> 8));
        return sum + ((pairs.AsInt32() << 16) >> 16) + (pairs.AsInt32() >> 16);
    }
}
