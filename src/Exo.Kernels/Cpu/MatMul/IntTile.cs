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
