using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels;

/// <summary>One column of a panel as 16 floats, outputs ascending. Each format is a struct so that the kernels are compiled for it.</summary>
internal unsafe interface IFloatPanel
{
    /// <summary>Bytes of a column.</summary>
    static abstract int ColumnBytes { get; }

    /// <summary>Outputs 0-3, 4-7, 8-11, 12-15.</summary>
    static abstract void Load(byte* column, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d);

    /// <summary>Outputs 0-7 and 8-15.</summary>
    static abstract void Load(byte* column, out Vector256<float> low, out Vector256<float> high);

    /// <summary>All 16 outputs.</summary>
    static abstract Vector512<float> Load(byte* column);
}

/// <summary>[column][16 outputs] float32.</summary>
internal readonly unsafe struct F32Panel : IFloatPanel
{
    public static int ColumnBytes => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* column, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d)
    {
        a = Vector128.Load((float*)column);
        b = Vector128.Load((float*)column + 4);
        c = Vector128.Load((float*)column + 8);
        d = Vector128.Load((float*)column + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* column, out Vector256<float> low, out Vector256<float> high)
    {
        low = Vector256.Load((float*)column);
        high = Vector256.Load((float*)column + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* column) => Vector512.Load((float*)column);
}

/// <summary>[column][8 lanes of 32 bits]: bfloat16 of output i below bfloat16 of output i + 8.</summary>
internal readonly unsafe struct BF16Panel : IFloatPanel
{
    public static int ColumnBytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* column, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d)
    {
        Vector128<uint> u = Vector128.Load((uint*)column), v = Vector128.Load((uint*)column + 4);
        a = (u << 16).AsSingle();
        b = (v << 16).AsSingle();
        c = (u & Vector128.Create(0xFFFF0000u)).AsSingle();
        d = (v & Vector128.Create(0xFFFF0000u)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* column, out Vector256<float> low, out Vector256<float> high)
    {
        Vector256<uint> v = Vector256.Load((uint*)column);
        low = (v << 16).AsSingle();
        high = (v & Vector256.Create(0xFFFF0000u)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* column) =>
        (Both.UpperHalves(column) & Vector512.Create(0xFFFF0000u)).AsSingle();
}

/// <summary>
/// [column][8 lanes of 32 bits]: float16 of output i below float16 of output i + 8. A half's sign, exponent and fraction, moved to
/// their places in a float32, are 2^-112 of its value: one exact multiplication widens normal and subnormal numbers alike.
/// </summary>
internal readonly unsafe struct F16Panel : IFloatPanel
{
    private const float Unbias = 5.192296858534828e33f; // 2^112
    private const int Places = unchecked((int)0x8FFFE000);

    public static int ColumnBytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* column, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d)
    {
        Vector128<int> u = Vector128.Load((int*)column), v = Vector128.Load((int*)column + 4);
        a = Widen(u << 16);
        b = Widen(v << 16);
        c = Widen(u);
        d = Widen(v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* column, out Vector256<float> low, out Vector256<float> high)
    {
        Vector256<int> v = Vector256.Load((int*)column);
        low = Widen(v << 16);
        high = Widen(v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* column) => Widen(Both.UpperHalves(column).AsInt32());

    /// <summary>The half in the upper 16 bits of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Widen(Vector128<int> upper) =>
        ((upper >> 3) & Vector128.Create(Places)).AsSingle() * Vector128.Create(Unbias);

    /// <summary>The half in the upper 16 bits of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Widen(Vector256<int> upper) =>
        ((upper >> 3) & Vector256.Create(Places)).AsSingle() * Vector256.Create(Unbias);

    /// <summary>The half in the upper 16 bits of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector512<int> upper) =>
        ((upper >> 3) & Vector512.Create(Places)).AsSingle() * Vector512.Create(Unbias);
}

/// <summary>Paired columns as one vector of 512 bits.</summary>
internal static unsafe class Both
{
    /// <summary>Lane i: the 16 bits of output i in the upper half, what lies in the lower half undefined.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> UpperHalves(byte* column) =>
        Avx512F.ShiftLeftLogicalVariable(
            Avx512F.BroadcastVector256ToVector512((ulong*)column).AsUInt32(),
            Vector512.Create(16u, 16u, 16u, 16u, 16u, 16u, 16u, 16u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u));
}
