using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels.Numerics;

/// <summary>
/// Elementary functions as fixed sequences of IEEE operations (add, multiply, fma, divide, integer shifts): the same bits in scalar and
/// in every vector width, on every machine. No mathematical library is called anywhere a logit or a sample depends on (NUMERICS.md,
/// functions). NaN gives NaN, with an undefined payload.
/// </summary>
public static partial class Fp
{
    // exp(x) = 2^n * exp(r), n = round(x / ln 2), r = x - n ln 2 in two steps, |r| <= ln 2 / 2. exp(r) = 1 + r + r^2 q(r), q of degree 4
    // by Remez's exchange with relative weight: error 4e-9, a thirtieth of a unit in the last place.
    private const float Log2E = 1.4426950216293335f;
    private const float Ln2High = 0.6931471824645996f;
    private const float Ln2Low = -1.9046542121259336e-09f;
    private const float C2 = 0.4999999403953552f;
    private const float C3 = 0.1666652113199234f;
    private const float C4 = 0.04166838899254799f;
    private const float C5 = 0.008368724957108498f;
    private const float C6 = 0.0013814581325277686f;

    // Adding 1.5 * 2^23 leaves round-to-nearest-even(x) in the low bits of the sum.
    private const float RoundingShift = 12582912f;

    // Beyond these the result is +inf or +0: 2^n is applied in two halves, so the clamps need not be tight.
    private const float ExpLargest = 100f;
    private const float ExpSmallest = -104f;
    private const int OneBits = 0x3F800000;

    /// <summary>
    /// e^x with an error below 1.1 units in the last place. exp(0) = 1 and exp(-inf) = +0 exactly; above 88.7228 +inf; results below 2^-126 are
    /// the denormal nearest to the unrounded polynomial, below 2^-150 +0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp(float x)
    {
        x = x > ExpLargest ? ExpLargest : x;
        x = x < ExpSmallest ? ExpSmallest : x;
        float shifted = MathF.FusedMultiplyAdd(x, Log2E, RoundingShift);
        float n = shifted - RoundingShift;
        float r = MathF.FusedMultiplyAdd(n, -Ln2High, x);
        r = MathF.FusedMultiplyAdd(n, -Ln2Low, r);
        float p = MathF.FusedMultiplyAdd(r, C6, C5);
        p = MathF.FusedMultiplyAdd(r, p, C4);
        p = MathF.FusedMultiplyAdd(r, p, C3);
        p = MathF.FusedMultiplyAdd(r, p, C2);
        p = MathF.FusedMultiplyAdd(r, p, 1f);
        p = MathF.FusedMultiplyAdd(r, p, 1f);

        // 2^n = 2^(n >> 1) * 2^(n - (n >> 1)): the first product is exact, the second rounds once, to a denormal where it must. The
        // shifts drop the upper bits of RoundingShift, whose low 9 are zero.
        int bits = BitConverter.SingleToInt32Bits(shifted);
        int half = (bits >> 1) << 23;
        int rest = (bits << 23) - half;
        return p * BitConverter.Int32BitsToSingle(half + OneBits) * BitConverter.Int32BitsToSingle(rest + OneBits);
    }

    /// <summary>The scalar <see cref="Exp(float)"/> in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Exp(Vector128<float> x)
    {
        // The native minimum gives its second operand where either is NaN (x86) or NaN (Arm): x stays NaN.
        x = Vector128.MinNative(Vector128.Create(ExpLargest), x);
        x = Vector128.MaxNative(Vector128.Create(ExpSmallest), x);
        Vector128<float> shift = Vector128.Create(RoundingShift);
        Vector128<float> shifted = Vector128.FusedMultiplyAdd(x, Vector128.Create(Log2E), shift);
        Vector128<float> n = shifted - shift;
        Vector128<float> r = Vector128.FusedMultiplyAdd(n, Vector128.Create(-Ln2High), x);
        r = Vector128.FusedMultiplyAdd(n, Vector128.Create(-Ln2Low), r);
        Vector128<float> p = Vector128.FusedMultiplyAdd(r, Vector128.Create(C6), Vector128.Create(C5));
        p = Vector128.FusedMultiplyAdd(r, p, Vector128.Create(C4));
        p = Vector128.FusedMultiplyAdd(r, p, Vector128.Create(C3));
        p = Vector128.FusedMultiplyAdd(r, p, Vector128.Create(C2));
        p = Vector128.FusedMultiplyAdd(r, p, Vector128<float>.One);
        p = Vector128.FusedMultiplyAdd(r, p, Vector128<float>.One);
        Vector128<int> bits = shifted.AsInt32(), one = Vector128.Create(OneBits);
        Vector128<int> half = (bits >> 1) << 23;
        Vector128<int> rest = (bits << 23) - half;
        return p * (half + one).AsSingle() * (rest + one).AsSingle();
    }

    /// <summary>The scalar <see cref="Exp(float)"/> in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x)
    {
        // The native minimum gives its second operand where either is NaN (x86) or NaN (Arm): x stays NaN.
        x = Vector256.MinNative(Vector256.Create(ExpLargest), x);
        x = Vector256.MaxNative(Vector256.Create(ExpSmallest), x);
        Vector256<float> shift = Vector256.Create(RoundingShift);
        Vector256<float> shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(Log2E), shift);
        Vector256<float> n = shifted - shift;
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2High), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Low), r);
        Vector256<float> p = Vector256.FusedMultiplyAdd(r, Vector256.Create(C6), Vector256.Create(C5));
        p = Vector256.FusedMultiplyAdd(r, p, Vector256.Create(C4));
        p = Vector256.FusedMultiplyAdd(r, p, Vector256.Create(C3));
        p = Vector256.FusedMultiplyAdd(r, p, Vector256.Create(C2));
        p = Vector256.FusedMultiplyAdd(r, p, Vector256<float>.One);
        p = Vector256.FusedMultiplyAdd(r, p, Vector256<float>.One);
        Vector256<int> bits = shifted.AsInt32(), one = Vector256.Create(OneBits);
        Vector256<int> half = (bits >> 1) << 23;
        Vector256<int> rest = (bits << 23) - half;
        return p * (half + one).AsSingle() * (rest + one).AsSingle();
    }

    /// <summary>The scalar <see cref="Exp(float)"/> in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // The native minimum gives its second operand where either is NaN (x86) or NaN (Arm): x stays NaN.
        x = Vector512.MinNative(Vector512.Create(ExpLargest), x);
        x = Vector512.MaxNative(Vector512.Create(ExpSmallest), x);
        Vector512<float> shift = Vector512.Create(RoundingShift);
        Vector512<float> shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(Log2E), shift);
        Vector512<float> n = shifted - shift;
        Vector512<float> r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2High), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);
        Vector512<float> p = Vector512.FusedMultiplyAdd(r, Vector512.Create(C6), Vector512.Create(C5));
        p = Vector512.FusedMultiplyAdd(r, p, Vector512.Create(C4));
        p = Vector512.FusedMultiplyAdd(r, p, Vector512.Create(C3));
        p = Vector512.FusedMultiplyAdd(r, p, Vector512.Create(C2));
        p = Vector512.FusedMultiplyAdd(r, p, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(r, p, Vector512<float>.One);
        Vector512<int> bits = shifted.AsInt32(), one = Vector512.Create(OneBits);
        Vector512<int> half = (bits >> 1) << 23;
        Vector512<int> rest = (bits << 23) - half;
        return p * (half + one).AsSingle() * (rest + one).AsSingle();
    }
}
