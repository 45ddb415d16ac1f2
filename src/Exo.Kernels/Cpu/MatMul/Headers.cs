using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Exo.Kernels.Numerics;

namespace Exo.Kernels;

/// <summary>
/// Scales and biases of integer panels: index counts from the header's start, 0-15 are the scales of the 16 outputs, 16-31 the biases.
/// </summary>
internal static unsafe class Headers
{
    public static float Load(byte* header, nint index, DType type) => type switch
    {
        DType.F32 => ((float*)header)[index],
        DType.F16 => Fp.HalfToSingle(((ushort*)header)[index]),
        _ => Fp.BFloat16ToSingle(((ushort*)header)[index]),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load128(byte* header, nint index, DType type)
    {
        if (type == DType.F32) return Vector128.Load((float*)header + index);
        Vector128<int> upper = Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)(header + (2 * index))).AsUInt16()).AsInt32() << 16;
        return type == DType.BF16 ? upper.AsSingle() : F16Panel.Widen(upper);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load256(byte* header, nint index, DType type)
    {
        if (type == DType.F32) return Vector256.Load((float*)header + index);
        Vector256<int> upper = Widen256(header + (2 * index)) << 16;
        return type == DType.BF16 ? upper.AsSingle() : F16Panel.Widen(upper);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(byte* header, nint index, DType type)
    {
        if (type == DType.F32) return Vector512.Load((float*)header + index);
        Vector512<int> upper = Vector512.WidenLower(Vector256.Load((ushort*)(header + (2 * index))).ToVector512Unsafe()).AsInt32() << 16;
        return type == DType.BF16 ? upper.AsSingle() : F16Panel.Widen(upper);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen256(byte* from) =>
        Vector256.WidenLower(Vector128.Load((ushort*)from).ToVector256Unsafe()).AsInt32();
}
