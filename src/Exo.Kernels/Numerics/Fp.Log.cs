namespace Exo.Kernels.Numerics;

public static partial class Fp
{
    private const double SmallestNormalDouble = 2.2250738585072014e-308;
    private const double TwoTo54 = 18014398509481984.0;
    private const long SqrtHalfBits = 0x3FE6A09E667F3BCD;
    private const long OneDoubleBits = 0x3FF0000000000000;

    /// <summary>Natural logarithm, to about 1 unit in the last place. log(1) = 0, log(0) = -inf, NaN below zero.</summary>
    public static double Log(double x)
    {
        (double high, double low) = LogParts(x);
        return high + low;
    }

    /// <summary>
    /// x^y for x &gt; 0 as exp(y log x), the logarithm and the product held in two doubles: to about 2 units in the last place. x^0 = 1;
    /// 0^y = 0 for y &gt; 0 and +inf for y &lt; 0; NaN for x &lt; 0.
    /// </summary>
    public static double Pow(double x, double y)
    {
        if (y == 0.0) return 1.0;
        (double high, double low) = LogParts(x);
        double product = high * y;
        if (!double.IsFinite(product)) return ExpOfSum(product, 0.0);
        double rest = Math.FusedMultiplyAdd(high, y, -product);
        return ExpOfSum(product, Math.FusedMultiplyAdd(low, y, rest));
    }

    // log x as an unrounded sum, accurate to about 60 bits. x = 2^e * m, sqrt(1/2) <= m < sqrt(2); with f = m - 1, s = f / (2 + f):
    // log m = 2 s + 2 s^3 (1/3 + s^2/5 + s^4/7 + ...), |s| <= 0.172, the first term in two doubles.
    private static (double High, double Low) LogParts(double x)
    {
        if (!(x > 0.0)) return (x == 0.0 ? double.NegativeInfinity : double.NaN, 0.0);
        if (double.IsPositiveInfinity(x)) return (x, 0.0);
        int exponent = 0;
        if (x < SmallestNormalDouble)
        {
            x *= TwoTo54;
            exponent = -54;
        }
        long bits = BitConverter.DoubleToInt64Bits(x);
        int shift = (int)((bits - SqrtHalfBits) >> 52);
        exponent += shift;
        double f = BitConverter.Int64BitsToDouble(bits - ((long)shift << 52)) - 1.0;
        double divisor = 2.0 + f, divisorRest = f - (divisor - 2.0);
        double s = f / divisor;
        double sRest = (Math.FusedMultiplyAdd(-s, divisor, f) - (s * divisorRest)) / divisor;
        double square = s * s, p = 1.0 / 23;
        for (int k = 21; k >= 3; k -= 2) p = Math.FusedMultiplyAdd(p, square, 1.0 / k);
        double main = 2.0 * s;
        double tail = Math.FusedMultiplyAdd(main * square, p, 2.0 * sRest);

        // e * ln 2 (its upper part exact) is zero or larger than 2 s: the rounding of their sum is recovered exactly.
        double power = exponent * Ln2DoubleHigh;
        double high = power + main;
        double lost = exponent == 0 ? 0.0 : main - (high - power);
        double low = Math.FusedMultiplyAdd(exponent, Ln2DoubleLow, tail) + lost;
        double sum = high + low;
        return (sum, low - (sum - high));
    }
}
