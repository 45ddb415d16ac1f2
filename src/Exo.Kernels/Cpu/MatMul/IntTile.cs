using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels;

/// <summary>
/// A tile of several tokens and integer panels, over a run of blocks. Everything a block needs lies in one place: weights
/// [panel][block][steps][64 bytes], headers [panel][block][16 scales, 16 recentred biases] as float32, x [block][token][steps][4 bytes],
/// scales and sums of x [block][token]. Sums: [panel][token][16], added to.
/// </summary>
internal unsafe struct IntTile
{
    public byte* Weights;
    public nint WeightStep;
    public float* Headers;
    public nint HeaderStep;
    public int HasBiases;
    public int NumBlocks;
    public byte* X;
    public float* XScales;
    public int* XSums;
    public float* Sums;
    public nint SumsStep;

    /// <summary>Straight from the panel: Weights is panel 0, WeightStep the distance to panel 1, Headers unused.</summary>
    public PackedPart* Part;

    public int FirstBlock;

    /// <summary>Floats of an unpacked header.</summary>
    public const int HeaderFloats = 2 * PackedWeight.PanelRows;
}

/// <summary>How a tile multiplies one step of a block: 64 bytes of weights and 4 bytes of each token.</summary>
internal interface IIntTile
{
    /// <summary>Steps of a block.</summary>
    static abstract int Steps { get; }

    /// <summary>What the unpacked quants are above q'.</summary>
    static abstract int Offset { get; }

    /// <summary>2^(bits - 1): q' = q - Half.</summary>
    static abstract int Half { get; }

    /// <summary>64 (or 32) packed bytes to the same place of step j and of step j + Steps / 2.</summary>
    static abstract void Split(Vector256<short> packed, out Vector256<short> first, out Vector256<short> second);

    /// <summary>64 packed bytes to step j and to step j + Steps / 2.</summary>
    static abstract void Split(Vector512<short> packed, out Vector512<short> first, out Vector512<short> second);

    /// <summary>Adds products to the lanes of a sum.</summary>
    static abstract Vector256<short> Add(Vector256<short> sum, Vector256<short> w, Vector256<int> x);

    /// <summary>Adds products to the lanes of a sum.</summary>
    static abstract Vector512<short> Add(Vector512<short> sum, Vector512<short> w, Vector512<int> x);

    /// <summary>One int32 an output.</summary>
    static abstract Vector256<int> Total(Vector256<short> sum);

    /// <summary>One int32 an output.</summary>
    static abstract Vector512<int> Total(Vector512<short> sum);
}

/// <summary>Nibbles as unsigned bytes times signed bytes: eight pairs in int16 reach 8 * 2 * 15 * 127 = 30480.</summary>
internal readonly struct Int4Tile : IIntTile
{
    public static int Steps => 8;

    public static int Offset => Int4Panel.Offset;

    public static int Half => Int4Panel.Half;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector256<short> packed, out Vector256<short> first, out Vector256<short> second)
    {
        first = packed & Vector256.Create((short)0x0F0F);
        second = (packed >>> 4) & Vector256.Create((short)0x0F0F);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector512<short> packed, out Vector512<short> first, out Vector512<short> second)
    {
        first = packed & Vector512.Create((short)0x0F0F);
        second = (packed >>> 4) & Vector512.Create((short)0x0F0F);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Add(Vector256<short> sum, Vector256<short> w, Vector256<int> x) =>
        Avx2.Add(sum, Avx2.MultiplyAddAdjacent(w.AsByte(), x.AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Add(Vector512<short> sum, Vector512<short> w, Vector512<int> x) =>
        Avx512BW.Add(sum, Avx512BW.MultiplyAddAdjacent(w.AsByte(), x.AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Total(Vector256<short> sum) => Avx2.MultiplyAddAdjacent(sum, Vector256.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Total(Vector512<short> sum) => Avx512BW.MultiplyAddAdjacent(sum, Vector512.Create((short)1));
}

/// <summary>Bytes widened to int16 times int16: pairs are added in int32.</summary>
internal readonly struct Int8Tile : IIntTile
{
    public static int Steps => 16;

    public static int Offset => 0;

    public static int Half => Int8Panel.Half;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector256<short> packed, out Vector256<short> first, out Vector256<short> second)
    {
        first = (packed << 8) >> 8;
        second = packed >> 8;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector512<short> packed, out Vector512<short> first, out Vector512<short> second)
    {
        first = (packed << 8) >> 8;
        second = packed >> 8;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Add(Vector256<short> sum, Vector256<short> w, Vector256<int> x) =>
        Avx2.Add(sum.AsInt32(), Avx2.MultiplyAddAdjacent(w, x.AsInt16())).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Add(Vector512<short> sum, Vector512<short> w, Vector512<int> x) =>
        Avx512F.Add(sum.AsInt32(), Avx512BW.MultiplyAddAdjacent(w, x.AsInt16())).AsInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Total(Vector256<short> sum) => sum.AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Total(Vector512<short> sum) => sum.AsInt32();
}
