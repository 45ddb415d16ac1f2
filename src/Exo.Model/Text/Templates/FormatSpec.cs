using System.Globalization;
using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>
/// Python's format specification, [[fill]align][sign][#][0][width][grouping][.precision][type], as str.format and `%` use it.
/// </summary>
internal sealed record FormatSpec
{
    private const int MaxWidth = 100_000;

    public string Fill { get; init; } = " ";

    /// <summary>One of &lt; &gt; ^ =, or NUL for the type's own.</summary>
    public char Align { get; init; }

    public char Sign { get; init; } = '-';

    public bool Alternate { get; init; }

    public int Width { get; init; }

    public char Grouping { get; init; }

    /// <summary>-1 where none is given.</summary>
    public int Precision { get; init; } = -1;

    /// <summary>The letter that says how to write the value; NUL for the type's own way.</summary>
    public char Type { get; init; }

    public static FormatSpec Parse(string text)
    {
        int at = 0;
        var spec = new FormatSpec();
        int afterFill = PythonText.IndexOfCodePoint(text, 1);
        if (afterFill < text.Length && text[afterFill] is '<' or '>' or '^' or '=')
        {
            spec = spec with { Fill = text[..afterFill], Align = text[afterFill] };
            at = afterFill + 1;
        }
        else if (text.Length > 0 && text[0] is '<' or '>' or '^' or '=')
        {
            spec = spec with { Align = text[0] };
            at = 1;
        }

        if (at < text.Length && text[at] is '+' or '-' or ' ') spec = spec with { Sign = text[at++] };
        if (at < text.Length && text[at] == '#') (spec, at) = (spec with { Alternate = true }, at + 1);
        if (at < text.Length && text[at] == '0')
        {
            if (spec.Align == '\0') spec = spec with { Fill = "0", Align = '=' };
            at++;
        }

        spec = spec with { Width = ReadNumber(text, ref at, 0) };
        if (at < text.Length && text[at] is ',' or '_') spec = spec with { Grouping = text[at++] };
        if (at < text.Length && text[at] == '.')
        {
            at++;
            spec = spec with { Precision = ReadNumber(text, ref at, -1) };
            if (spec.Precision < 0) throw TemplateFault.Value("Format specifier missing precision");
        }

        if (at < text.Length) spec = spec with { Type = text[at++] };
        return at == text.Length ? spec : throw TemplateFault.Value("Invalid format specifier");
    }

    /// <summary>Reads decimal digits at <paramref name="at"/>; <paramref name="otherwise"/> where there are none.</summary>
    public static int ReadNumber(string text, ref int at, int otherwise)
    {
        int start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
        if (at == start) return otherwise;
        return int.TryParse(text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= MaxWidth
            ? number
            : throw TemplateFault.Limit($"a width or precision of more than {MaxWidth}");
    }

    /// <summary>format(value, spec).</summary>
    public string Apply(RenderContext context, object? value)
    {
        context.Budget.Pay(Math.Max(0, Width) + Math.Max(0, Precision));
        if (Types.TextOrNull(value) is string text) return OfText(text);
        if (value is bool && Type == '\0') return OfText(Repr.Str(context, value));
        if (Number.TryInteger(value, out BigInteger integer) && Type is '\0' or 'd' or 'n' or 'x' or 'X' or 'o' or 'b' or 'c') return OfInteger(integer);
        if (Number.TryFloat(value, out double number)) return OfFloat(number);
        if (this == new FormatSpec()) return Repr.Str(context, value);
        throw TemplateFault.Type($"unsupported format string passed to {Types.NameOf(value)}.__format__");
    }

    public string OfText(string text)
    {
        if (Type is not ('\0' or 's')) throw UnknownCode("str");
        if (Precision >= 0) text = text[..PythonText.IndexOfCodePoint(text, Precision)];
        return Pad("", text, '<');
    }

    public string OfInteger(BigInteger integer)
    {
        if (Type == 'c') return Pad("", char.ConvertFromUtf32(Number.Clamp(integer)), '<');
        if (Precision >= 0) throw TemplateFault.Value("Precision not allowed in integer format specifier");
        string digits = Digits(BigInteger.Abs(integer), Type);
        string prefix = Alternate && Type is 'x' or 'X' or 'o' or 'b' ? "0" + Type : "";
        return Pad(SignOf(integer.Sign < 0) + prefix, Group(digits, Type is 'x' or 'X' or 'o' or 'b' ? 4 : 3), '>');
    }

    public static string Digits(BigInteger magnitude, char type)
    {
        switch (type)
        {
            case 'x':
                return magnitude.IsZero ? "0" : magnitude.ToString("x", CultureInfo.InvariantCulture).TrimStart('0');
            case 'X':
                return magnitude.IsZero ? "0" : magnitude.ToString("X", CultureInfo.InvariantCulture).TrimStart('0');
            case 'b':
                return magnitude.IsZero ? "0" : magnitude.ToString("b", CultureInfo.InvariantCulture).TrimStart('0');
            case 'o':
                var digits = new Stack<char>();
                for (; !magnitude.IsZero || digits.Count == 0; magnitude >>= 3) digits.Push((char)('0' + (int)(magnitude & 7)));
                return new string([.. digits]);
            default:
                return Types.Text(magnitude);
        }
    }

    public string OfFloat(double number)
    {
        bool percent = Type == '%';
        double magnitude = Math.Abs(percent ? number * 100 : number);
        int precision = Precision >= 0 ? Precision : 6;
        string digits = !double.IsFinite(number) ? (double.IsNaN(number) ? "nan" : "inf") : Type switch
        {
            'f' or 'F' or '%' => Number.Fixed(magnitude, precision),
            'e' or 'E' => Number.Exponential(magnitude, precision),
            'g' or 'G' or 'n' => Number.General(magnitude, precision, Alternate),
            '\0' when Precision < 0 => Number.Text(magnitude),
            '\0' => WithPoint(Number.General(magnitude, precision, keepZeros: false), magnitude, precision),
            _ => throw UnknownCode("float"),
        };
        if (Type is 'E' or 'G' or 'F') digits = digits.ToUpperInvariant();
        string sign = SignOf(double.IsNegative(number) && !double.IsNaN(number));
        return Pad(sign, Group(digits, 3) + (percent ? "%" : ""), '>');
    }

    // Without a type letter a float keeps a digit after the point, and switches to an exponent one digit earlier.
    private static string WithPoint(string general, double magnitude, int precision)
    {
        if (general.AsSpan().ContainsAny('.', 'e')) return general;
        return magnitude >= Math.Pow(10, precision - 1) ? Number.Exponential(magnitude, Math.Max(0, precision - 1)) : general + ".0";
    }

    private string SignOf(bool negative) => negative ? "-" : Sign == '-' ? "" : Sign.ToString();

    private string Group(string digits, int size)
    {
        if (Grouping == '\0') return digits;
        int end = digits.AsSpan().IndexOfAny('.', 'e', 'E');
        if (end < 0) end = digits.Length;
        for (int i = end - size; i > 0; i -= size) digits = digits.Insert(i, Grouping.ToString());
        return digits;
    }

    /// <summary>Fills up to the width; with '=' between the sign and the digits.</summary>
    public string Pad(string sign, string text, char ownAlign)
    {
        int missing = Width - PythonText.Length(sign) - PythonText.Length(text);
        if (missing <= 0) return sign + text;
        string Filled(int count) => string.Concat(Enumerable.Repeat(Fill, count));
        return (Align == '\0' ? ownAlign : Align) switch
        {
            '<' => sign + text + Filled(missing),
            '^' => Filled(missing / 2) + sign + text + Filled(missing - missing / 2),
            '=' => sign + Filled(missing) + text,
            _ => Filled(missing) + sign + text,
        };
    }

    private TemplateFault UnknownCode(string type) => TemplateFault.Value($"Unknown format code '{Type}' for object of type '{type}'");
}
