using System.Globalization;
using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>Python's numbers: ints of any size (within a bound), floats, and their texts.</summary>
internal static class Number
{
    /// <summary>Python reads and prints no int of more digits.</summary>
    public const int MaxDigits = 4300;

    private const int MaxBits = 14_285;

    /// <summary>An int (or a bool, which is one); false for anything else.</summary>
    public static bool TryInteger(object? value, out BigInteger integer)
    {
        integer = value switch { BigInteger i => i, true => BigInteger.One, _ => BigInteger.Zero };
        return value is BigInteger or bool;
    }

    /// <summary>An int, bool or float as a float.</summary>
    public static bool TryFloat(object? value, out double number)
    {
        number = 0;
        if (value is double d) number = d;
        else if (TryInteger(value, out BigInteger integer)) number = ToFloat(integer);
        else return false;
        return true;
    }

    public static double ToFloat(BigInteger integer)
    {
        double number = (double)integer;
        return double.IsInfinity(number) ? throw TemplateFault.Value("int too large to convert to float") : number;
    }

    public static BigInteger FromFloat(double number) => double.IsNaN(number) ? throw TemplateFault.Value("cannot convert float NaN to integer")
        : double.IsInfinity(number) ? throw TemplateFault.Value("cannot convert float infinity to integer")
        : new BigInteger(Math.Truncate(number));

    /// <summary>An int as .NET's, clamped: for indices, widths and counts, where anything beyond means "beyond the end".</summary>
    public static int Clamp(BigInteger integer) => (int)BigInteger.Max(int.MinValue + 1, BigInteger.Min(int.MaxValue, integer));

    /// <summary>The integer itself, if it is not too large to be worked with.</summary>
    public static object Bounded(BigInteger integer) =>
        integer.GetBitLength() > MaxBits ? throw TemplateFault.Limit($"an integer of more than {MaxDigits} digits") : integer;

    public static BigInteger Power(BigInteger number, BigInteger exponent)
    {
        if (!number.IsZero && !number.IsOne && number != -1 && exponent * Math.Max(1, number.GetBitLength() - 1) > MaxBits)
            throw TemplateFault.Limit($"an integer of more than {MaxDigits} digits");
        if (number == -1) return exponent.IsEven ? BigInteger.One : BigInteger.MinusOne;
        return number.IsZero || number.IsOne ? (exponent.IsZero ? BigInteger.One : number) : BigInteger.Pow(number, (int)exponent);
    }

    public static (BigInteger Quotient, BigInteger Remainder) FloorDivide(BigInteger a, BigInteger b)
    {
        BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
        return !remainder.IsZero && (remainder.Sign < 0) != (b.Sign < 0) ? (quotient - 1, remainder + b) : (quotient, remainder);
    }

    public static (double Quotient, double Remainder) FloorDivide(double a, double b)
    {
        double remainder = a % b;
        double quotient = (a - remainder) / b;
        if (remainder == 0)
        {
            remainder = Math.CopySign(0, b);
        }
        else if ((b < 0) != (remainder < 0))
        {
            remainder += b;
            quotient -= 1;
        }

        if (quotient == 0) return (Math.CopySign(0, a / b), remainder);
        double floor = Math.Floor(quotient);
        return (quotient - floor > 0.5 ? floor + 1 : floor, remainder);
    }

    /// <summary>repr of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.</summary>
    public static string Text(double number)
    {
        if (double.IsNaN(number)) return "nan";
        if (double.IsInfinity(number)) return number > 0 ? "inf" : "-inf";
        if (number == 0) return double.IsNegative(number) ? "-0.0" : "0.0";
        (string digits, int exponent) = Decompose(number.ToString("R", CultureInfo.InvariantCulture));
        string sign = number < 0 ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            string mantissa = digits.Length == 1 ? digits : digits[..1] + "." + digits[1..];
            return $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0) return sign + "0." + new string('0', -exponent - 1) + digits;
        return digits.Length <= exponent + 1
            ? sign + digits + new string('0', exponent + 1 - digits.Length) + ".0"
            : sign + digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    /// <summary>The significant digits of a .NET number text, and the power of ten of the first.</summary>
    private static (string Digits, int Exponent) Decompose(string text)
    {
        text = text.TrimStart('-');
        int e = text.IndexOf('E', StringComparison.Ordinal);
        int exponent = e < 0 ? 0 : int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? text : text[..e];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        int whole = point < 0 ? mantissa.Length : point;
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        int leading = digits.Length - digits.TrimStart('0').Length;
        digits = digits[leading..].TrimEnd('0');
        return (digits.Length == 0 ? "0" : digits, exponent + whole - 1 - leading);
    }

    /// <summary>A finite number with so many decimals, rounded half to even on its exact value.</summary>
    public static string Fixed(double number, int decimals)
    {
        BigInteger scaled = RoundScaled(Math.Abs(number), decimals);
        string digits = scaled.ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        string sign = double.IsNegative(number) ? "-" : "";
        return decimals == 0 ? sign + digits : sign + digits[..^decimals] + "." + digits[^decimals..];
    }

    /// <summary>A finite number as d.ddde+XX with so many decimals.</summary>
    public static string Exponential(double number, int decimals)
    {
        (string digits, int exponent) = Significant(number, decimals + 1);
        string sign = double.IsNegative(number) ? "-" : "";
        string mantissa = decimals == 0 ? digits : digits[..1] + "." + digits[1..];
        return $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    /// <summary>A finite number with so many significant digits, in the shorter of the two forms ("%g").</summary>
    public static string General(double number, int precision, bool keepZeros)
    {
        precision = Math.Max(1, precision);
        (string digits, int exponent) = Significant(number, precision);
        string text = exponent < -4 || exponent >= precision ? Exponential(number, precision - 1) : Fixed(number, precision - 1 - exponent);
        if (keepZeros || !text.Contains('.', StringComparison.Ordinal)) return text;
        int e = text.IndexOf('e', StringComparison.Ordinal);
        string mantissa = (e < 0 ? text : text[..e]).TrimEnd('0').TrimEnd('.');
        return e < 0 ? mantissa : mantissa + text[e..];
    }

    private static (string Digits, int Exponent) Significant(double number, int count)
    {
        number = Math.Abs(number);
        if (number == 0) return (new string('0', count), 0);
        int exponent = (int)Math.Floor(Math.Log10(number));
        while (true)
        {
            // The estimate may be off by one, and rounding may carry into one more digit.
            string digits = RoundScaled(number, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
            if (digits.Length == count) return (digits, exponent);
            exponent += digits.Length > count ? 1 : -1;
        }
    }

    /// <summary>round(number * 10^decimals), half to even, exactly. <paramref name="decimals"/> may be negative.</summary>
    private static BigInteger RoundScaled(double number, int decimals)
    {
        long bits = BitConverter.DoubleToInt64Bits(number);
        int biased = (int)(bits >> 52 & 0x7ff);
        BigInteger numerator = bits & 0xfffffffffffffL | (biased == 0 ? 0 : 1L << 52);
        int power = Math.Max(biased, 1) - 1075;
        BigInteger denominator = BigInteger.One;
        if (power >= 0) numerator <<= power;
        else denominator <<= -power;
        if (decimals >= 0) numerator *= BigInteger.Pow(10, decimals);
        else denominator *= BigInteger.Pow(10, -decimals);
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    /// <summary>round(number, digits): to nearest, half to even; a float stays a float, an int an int.</summary>
    public static object Round(object number, int digits)
    {
        if (TryInteger(number, out BigInteger integer))
        {
            if (digits >= 0) return integer;
            if (-digits > MaxDigits) return BigInteger.Zero;
            BigInteger unit = BigInteger.Pow(10, -digits);
            (BigInteger quotient, BigInteger remainder) = FloorDivide(integer, unit);
            int half = (remainder * 2).CompareTo(unit);
            return (half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient) * unit;
        }

        double value = (double)number;
        if (!double.IsFinite(value) || digits > 323) return value;
        if (digits < -308) return Math.CopySign(0, value);
        BigInteger scaled = RoundScaled(Math.Abs(value), digits);
        double rounded = double.Parse(
            scaled.ToString(CultureInfo.InvariantCulture) + "E" + (-digits).ToString(CultureInfo.InvariantCulture),
            CultureInfo.InvariantCulture);
        return Math.CopySign(rounded, value);
    }
}
