using System.Globalization;
using System.Numerics;

namespace Exo.Model.Text.Templates;

internal static partial class Filters
{
    private static void AddNumbers(Action<string, string, Body> add)
    {
        add("abs", "", (_, value, _) => value switch
        {
            double number => Math.Abs(number),
            _ when Number.TryInteger(value, out BigInteger integer) => BigInteger.Abs(integer),
            _ => throw TemplateFault.Type($"bad operand type for abs(): '{Types.NameOf(value)}'"),
        });
        add("int", "default? base?", (context, value, a) => ToInteger(context, value, Types.TextOrNull(value) is null ? 10 : a.Int(1, 10)) is BigInteger integer ? integer
            : a.Has(0) ? a[0] : BigInteger.Zero);
        add("float", "default?", (_, value, a) => ToFloat(value) is double number ? number : a.Has(0) ? a[0] : 0.0);
        add("round", "precision? method?", (_, value, a) => Round(value, a.Int(0, 0), a.Has(1) ? a.Text(1) : "common"));
        add("filesizeformat", "binary?", (_, value, a) => SizeText(
            ToFloat(value) ?? throw TemplateFault.Type("filesizeformat: a number is required"), a.Flag(0)));
    }

    /// <summary>int(value), int(text, base), or int(float(text)); null where none of them works.</summary>
    private static BigInteger? ToInteger(RenderContext context, object? value, int radix)
    {
        switch (value)
        {
            case Undefined undefined:
                throw undefined.Fault;
            case double number:
                return double.IsFinite(number) ? Number.FromFloat(number) : null;
            case string or Markup:
                string text = Types.TextOrNull(value)!;
                if (ParseInteger(context, text, radix) is BigInteger parsed) return parsed;
                return ParseFloat(text) is double d && double.IsFinite(d) ? Number.FromFloat(d) : null;
            default:
                return Number.TryInteger(value, out BigInteger integer) ? integer : null;
        }
    }

    private static BigInteger? ParseInteger(RenderContext context, string text, int radix)
    {
        ReadOnlySpan<char> digits = PythonText.TrimStart(PythonText.TrimEnd(text));
        bool negative = digits.StartsWith("-");
        if (digits.Length > 0 && digits[0] is '+' or '-') digits = digits[1..];
        if (digits.Length > Number.MaxDigits) return null;
        if (digits.Length > 2 && digits[0] == '0' && char.ToLowerInvariant(digits[1]) is 'x' or 'o' or 'b')
        {
            int named = char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, _ => 2 };
            if (radix == 0 || radix == named)
            {
                radix = named;
                digits = digits[2..];
            }
        }

        if (radix == 0) radix = 10;
        context.Budget.Pay(digits.Length);
        BigInteger value = BigInteger.Zero;
        bool lastWasDigit = false;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : char.IsDigit(c) ? (int)char.GetNumericValue(c) : -1;
            if (c == '_' && lastWasDigit)
            {
                lastWasDigit = false;
                continue;
            }

            if (digit < 0 || digit >= radix) return null;
            value = value * radix + digit;
            lastWasDigit = true;
        }

        return !lastWasDigit ? null : negative ? -value : value;
    }

    private static double? ToFloat(object? value)
    {
        if (value is Undefined undefined) throw undefined.Fault;
        if (Types.TextOrNull(value) is string text) return ParseFloat(text);
        return Number.TryFloat(value, out double number) ? number : null;
    }

    private static double? ParseFloat(string text)
    {
        string trimmed = PythonText.Strip(text, null, start: true, end: true);
        string bare = trimmed.TrimStart('+', '-').ToLowerInvariant();
        if (trimmed.Length - bare.Length > 1) return null;
        double sign = trimmed.StartsWith('-') ? -1 : 1;
        if (bare is "inf" or "infinity") return sign * double.PositiveInfinity;
        if (bare == "nan") return double.NaN;
        if (bare.StartsWith('_') || bare.EndsWith('_') || bare.Contains("__", StringComparison.Ordinal)) return null;
        bare = bare.Replace("_", "", StringComparison.Ordinal);
        const NumberStyles Style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(bare, Style, CultureInfo.InvariantCulture, out double number) ? sign * number : null;
    }

    private static object Round(object? value, int precision, string method)
    {
        if (!Number.TryFloat(value, out double number)) throw TemplateFault.Type($"type {Types.NameOf(value)} doesn't define __round__ method");
        if (method == "common") return Number.Round(value!, precision);
        double scale = Math.Pow(10, precision);
        return method switch
        {
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            _ => throw TemplateFault.Value("method must be common, ceil or floor"),
        };
    }

    private static string SizeText(double bytes, bool binary)
    {
        double unit = binary ? 1024 : 1000;
        if (bytes == 1) return "1 Byte";
        if (bytes < unit) return $"{Math.Truncate(bytes):0} Bytes";
        string[] prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
        int i = 0;
        for (bytes /= unit; bytes >= unit && i < prefixes.Length - 1; i++) bytes /= unit;
        string prefix = binary ? prefixes[i].ToUpperInvariant() + "iB" : prefixes[i] + "B";
        return $"{Number.Fixed(bytes, 1)} {prefix}";
    }
}
