using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels.Numerics;

public static partial class Fp
{
    // A half shifted left by 13 is a float whose exponent is too small by 112: one exact multiplication rebases it, denormals included.
    private const int HalfShift = 13;
    private const int HalfMagnitude = 0x7FFF;
    private const float HalfRebase = 5.192296858534828e33f; // 2^112
    private const int HalfInfinity = 0x7C00 << HalfShift;
    private const int SingleInfinity = 0x7F800000;
    private const int SignBit = int.MinValue;
    private const int QuietBit = 0x00400000;

    // Magnitudes from 2^16 on are infinite as halves; those below 2^-14 denormal.
    private const int HalfOverflow = 0x47800000;
    private const int HalfNormal = 0x38800000;

    // Adding 0.5 to a magnitude below 2^-14 rounds it to a multiple of 2^-24, nearest even, in the low bits of the sum.
    private const int HalfDenormalShift = 0x3F000000;
    private const int HalfRebias = (112 << 23) - 0xFFF;

    /// <summary>The half in the low 16 bits, exactly; the upper bits are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HalfToSingle(int half)
    {
        int magnitude = (half & HalfMagnitude) << HalfShift;
        int bits = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(magnitude) * HalfRebase);
        bits |= magnitude >= HalfInfinity ? SingleInfinity : 0;
        return BitConverter.Int32BitsToSingle(bits | ((half << 16) & SignBit));
    }

    /// <summary>The half nearest to x, ties to even, above 65519.99 infinite: as (Half)x. NaN keeps sign and upper payload, made quiet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort SingleToHalf(float x)
    {
        int bits = BitConverter.SingleToInt32Bits(x);
        int magnitude = bits & int.MaxValue;
        int normal = (magnitude - HalfRebias + ((magnitude >> HalfShift) & 1)) >> HalfShift;
        int denormal = BitConverter.SingleToInt32Bits(BitConverter.Int32BitsToSingle(magnitude) + 0.5f) - HalfDenormalShift;
        int special = magnitude > SingleInfinity
            ? ((magnitude & (QuietBit - 1)) >> HalfShift) | 0x7E00
            : HalfInfinity >> HalfShift;
        int half = magnitude >= HalfOverflow ? special : magnitude < HalfNormal ? denormal : normal;
        return (ushort)(half | ((bits >> 16) & 0x8000));
    }

    /// <summary>The bfloat16 in the low 16 bits, exactly; the upper bits are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float BFloat16ToSingle(int value) => BitConverter.Int32BitsToSingle(value << 16);

    /// <summary>The bfloat16 nearest to x, ties to even. NaN keeps sign and upper payload, made quiet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort SingleToBFloat16(float x)
    {
        uint bits = BitConverter.SingleToUInt32Bits(x);
        if (float.IsNaN(x)) return (ushort)((bits | QuietBit) >> 16);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The scalar <see cref="HalfToSingle(int)"/> in every lane: the halves lie in the low 16 bits, the upper bits are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> HalfToSingle(Vector128<int> halves)
    {
        Vector128<int> magnitude = (halves & Vector128.Create(HalfMagnitude)) << HalfShift;
        Vector128<int> bits = (magnitude.AsSingle() * Vector128.Create(HalfRebase)).AsInt32();
        Vector128<int> special = Vector128.GreaterThan(magnitude, Vector128.Create(HalfInfinity - 1)) & Vector128.Create(SingleInfinity);
        Vector128<int> sign = (halves << 16) & Vector128.Create(SignBit);
        return (bits | special | sign).AsSingle();
    }

    /// <summary>The scalar <see cref="SingleToHalf(float)"/> in every lane: the halves in the low 16 bits, the upper bits zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SingleToHalf(Vector128<float> x)
    {
        Vector128<int> bits = x.AsInt32();
        Vector128<int> magnitude = bits & Vector128.Create(int.MaxValue);
        Vector128<int> odd = (magnitude >> HalfShift) & Vector128<int>.One;
        Vector128<int> half = (magnitude - Vector128.Create(HalfRebias) + odd) >> HalfShift;
        Vector128<int> denormal = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsInt32() - Vector128.Create(HalfDenormalShift);
        half = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(HalfNormal)), denormal, half);
        Vector128<int> nan = ((magnitude & Vector128.Create(QuietBit - 1)) >> HalfShift) | Vector128.Create(0x7E00);
        Vector128<int> special = Vector128.ConditionalSelect(
            Vector128.GreaterThan(magnitude, Vector128.Create(SingleInfinity)), nan, Vector128.Create(HalfInfinity >> HalfShift));
        half = Vector128.ConditionalSelect(Vector128.GreaterThan(magnitude, Vector128.Create(HalfOverflow - 1)), special, half);
        return half | ((bits >> 16) & Vector128.Create(0x8000));
    }

    /// <summary>The scalar <see cref="HalfToSingle(int)"/> in every lane: the halves lie in the low 16 bits, the upper bits are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> HalfToSingle(Vector256<int> halves)
    {
        Vector256<int> magnitude = (halves & Vector256.Create(HalfMagnitude)) << HalfShift;
        Vector256<int> bits = (magnitude.AsSingle() * Vector256.Create(HalfRebase)).AsInt32();
        Vector256<int> special = Vector256.GreaterThan(magnitude, Vector256.Create(HalfInfinity - 1)) & Vector256.Create(SingleInfinity);
        Vector256<int> sign = (halves << 16) & Vector256.Create(SignBit);
        return (bits | special | sign).AsSingle();
    }

    /// <summary>The scalar <see cref="SingleToHalf(float)"/> in every lane: the halves in the low 16 bits, the upper bits zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> SingleToHalf(Vector256<float> x)
    {
        Vector256<int> bits = x.AsInt32();
        Vector256<int> magnitude = bits & Vector256.Create(int.MaxValue);
        Vector256<int> odd = (magnitude >> HalfShift) & Vector256<int>.One;
        Vector256<int> half = (magnitude - Vector256.Create(HalfRebias) + odd) >> HalfShift;
        Vector256<int> denormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsInt32() - Vector256.Create(HalfDenormalShift);
        half = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(HalfNormal)), denormal, half);
        Vector256<int> nan = ((magnitude & Vector256.Create(QuietBit - 1)) >> HalfShift) | Vector256.Create(0x7E00);
        Vector256<int> special = Vector256.ConditionalSelect(
            Vector256.GreaterThan(magnitude, Vector256.Create(SingleInfinity)), nan, Vector256.Create(HalfInfinity >> HalfShift));
        half = Vector256.ConditionalSelect(Vector256.GreaterThan(magnitude, Vector256.Create(HalfOverflow - 1)), special, half);
        return half | ((bits >> 16) & Vector256.Create(0x8000));
    }

    /// <summary>The scalar <see cref="HalfToSingle(int)"/> in every lane: the halves lie in the low 16 bits, the upper bits are ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> HalfToSingle(Vector512<int> halves)
    {
        Vector512<int> magnitude = (halves & Vector512.Create(HalfMagnitude)) << HalfShift;
        Vector512<int> bits = (magnitude.AsSingle() * Vector512.Create(HalfRebase)).AsInt32();
        Vector512<int> special = Vector512.GreaterThan(magnitude, Vector512.Create(HalfInfinity - 1)) & Vector512.Create(SingleInfinity);
        Vector512<int> sign = (halves << 16) & Vector512.Create(SignBit);
        return (bits | special | sign).AsSingle();
    }

    /// <summary>The scalar <see cref="SingleToHalf(float)"/> in every lane: the halves in the low 16 bits, the upper bits zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> SingleToHalf(Vector512<float> x)
    {
        Vector512<int> bits = x.AsInt32();
        Vector512<int> magnitude = bits & Vector512.Create(int.MaxValue);
        Vector512<int> odd = (magnitude >> HalfShift) & Vector512<int>.One;
        Vector512<int> half = (magnitude - Vector512.Create(HalfRebias) + odd) >> HalfShift;
        Vector512<int> denormal = (magnitude.AsSingle() + Vector512.Create(0.5f)).AsInt32() - Vector512.Create(HalfDenormalShift);
        half = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(HalfNormal)), denormal, half);
        Vector512<int> nan = ((magnitude & Vector512.Create(QuietBit - 1)) >> HalfShift) | Vector512.Create(0x7E00);
        Vector512<int> special = Vector512.ConditionalSelect(
            Vector512.GreaterThan(magnitude, Vector512.Create(SingleInfinity)), nan, Vector512.Create(HalfInfinity >> HalfShift));
        half = Vector512.ConditionalSelect(Vector512.GreaterThan(magnitude, Vector512.Create(HalfOverflow - 1)), special, half);
        return half | ((bits >> 16) & Vector512.Create(0x8000));
    }
}
