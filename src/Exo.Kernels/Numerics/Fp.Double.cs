namespace Exo.Kernels.Numerics;

public static partial class Fp
{
    private const double TwoOverPi = 0.6366197723675814;
    private const double HalfPiHigh = 1.5707963267948966;
    private const double HalfPiMiddle = 6.123233995736766e-17;
    private const double HalfPiLow = -1.4973849048591698e-33;
    private const double Log2EDouble = 1.4426950408889634;
    private const double Ln2DoubleHigh = 0.6931471803691238; // 32 bits: its product with an exponent is exact
    private const double Ln2DoubleLow = 1.9082149292705877e-10;

    // Adding 1.5 * 2^52 rounds to the nearest integer, ties to even.
    private const double RoundingShiftDouble = 6755399441055744.0;

    // exp(x) is 0 below and infinite above; a logarithm times an exponent is clamped here.
    private const double ExpDoubleSmallest = -750.0;
    private const double ExpDoubleLargest = 720.0;

    // 1 / k! for k = 0..18, each rounded to double.
    private static readonly double[] InverseFactorials =
    [
        1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800,
        1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200, 1.0 / 1307674368000, 1.0 / 20922789888000, 1.0 / 355687428096000,
        1.0 / 6402373705728000,
    ];

    /// <summary>
    /// Sine and cosine of an angle in radians, to about 1 unit in the last place for |x| up to 1e7: x - n * pi / 2 in three fma steps, then
    /// Taylor series to r^17 and r^18. Infinite x gives NaN.
    /// </summary>
    public static (double Sin, double Cos) SinCos(double x)
    {
        double n = Math.FusedMultiplyAdd(x, TwoOverPi, RoundingShiftDouble) - RoundingShiftDouble;
        double r = Math.FusedMultiplyAdd(n, -HalfPiHigh, x);
        r = Math.FusedMultiplyAdd(n, -HalfPiMiddle, r);
        r = Math.FusedMultiplyAdd(n, -HalfPiLow, r);
        double square = r * r;
        double sine = InverseFactorials[17], cosine = -InverseFactorials[18];
        for (int k = 15; k >= 3; k -= 2) sine = Math.FusedMultiplyAdd(sine, square, k % 4 == 1 ? InverseFactorials[k] : -InverseFactorials[k]);
        for (int k = 16; k >= 2; k -= 2) cosine = Math.FusedMultiplyAdd(cosine, square, k % 4 == 0 ? InverseFactorials[k] : -InverseFactorials[k]);
        sine = Math.FusedMultiplyAdd(sine * square, r, r);
        cosine = Math.FusedMultiplyAdd(cosine, square, 1.0);
        return ((long)n & 3) switch
        {
            0 => (sine, cosine),
            1 => (cosine, -sine),
            2 => (-sine, -cosine),
            _ => (-cosine, sine),
        };
    }

    /// <summary>e^x to about 1 unit in the last place: exp(0) = 1 exactly, +inf and +0 beyond the range of double.</summary>
    public static double Exp(double x) => ExpOfSum(x, 0.0);

    // exp(high + low), |low| far below a unit of high.
    private static double ExpOfSum(double high, double low)
    {
        if (double.IsNaN(high)) return double.NaN;
        if (high > ExpDoubleLargest) return double.PositiveInfinity;
        if (high < ExpDoubleSmallest) return 0.0;
        double n = Math.FusedMultiplyAdd(high, Log2EDouble, RoundingShiftDouble) - RoundingShiftDouble;
        double reduced = Math.FusedMultiplyAdd(n, -Ln2DoubleHigh, high);
        double correction = Math.FusedMultiplyAdd(n, -Ln2DoubleLow, low);
        double r = reduced + correction;
        double lost = correction - (r - reduced);
        double p = InverseFactorials[14];
        for (int k = 13; k >= 2; k--) p = Math.FusedMultiplyAdd(p, r, InverseFactorials[k]);
        p = Math.FusedMultiplyAdd(p * r, r, lost) + r + 1.0;
        int exponent = (int)n, half = exponent >> 1;
        return p * PowerOfTwo(half) * PowerOfTwo(exponent - half);
    }

    private static double PowerOfTwo(int exponent) => BitConverter.Int64BitsToDouble((long)(exponent + 1023) << 52);
}
