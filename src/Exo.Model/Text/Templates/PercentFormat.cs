using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>Python's `format % arguments`.</summary>
internal sealed class PercentFormat
{
    private readonly RenderContext _context;
    private readonly string _format;
    private readonly object? _given;
    private readonly object?[] _arguments;
    private int _at;
    private int _used;

    private PercentFormat(RenderContext context, string format, object? given)
    {
        _context = context;
        _format = format;
        _given = given;
        _arguments = given is TupleValue tuple ? tuple.Items : [given];
    }

    public static string Apply(RenderContext context, string format, object? given) => new PercentFormat(context, format, given).Run();

    private string Run()
    {
        var result = new PaidText(_context.Budget);
        while (_at < _format.Length)
        {
            int percent = _format.IndexOf('%', _at);
            if (percent < 0) percent = _format.Length;
            result.Append(_format[_at..percent]);
            _at = percent + 1;
            if (percent < _format.Length) result.Append(Conversion());
        }

        if (_used < _arguments.Length && !(_used == 0 && _given is DictValue or ListValue or RangeValue or Undefined))
            throw TemplateFault.Type("not all arguments converted during string formatting");
        return result.ToString();
    }

    private string Conversion()
    {
        object? keyed = Missing.Value;
        if (_at < _format.Length && _format[_at] == '(') keyed = Keyed();
        var spec = new FormatSpec();
        bool left = false, zero = false;
        for (; _at < _format.Length && "#0- +".Contains(_format[_at]); _at++)
        {
            char flag = _format[_at];
            left |= flag == '-';
            zero |= flag == '0';
            if (flag == '#') spec = spec with { Alternate = true };
            if (flag == '+' || (flag == ' ' && spec.Sign != '+')) spec = spec with { Sign = flag };
        }

        int width = Size();
        if (width < 0) (left, width) = (true, -width);
        spec = spec with { Width = width, Align = left ? '<' : zero ? '=' : '>', Fill = zero && !left ? "0" : " " };
        if (_at < _format.Length && _format[_at] == '.')
        {
            _at++;
            spec = spec with { Precision = Math.Max(0, Size()) };
        }

        while (_at < _format.Length && _format[_at] is 'l' or 'h' or 'L') _at++;
        if (_at >= _format.Length) throw TemplateFault.Value("incomplete format");
        char type = _format[_at++];
        if (type == '%') return "%";
        return Convert(spec, type, keyed is Missing ? Next() : keyed);
    }

    private string Convert(FormatSpec spec, char type, object? value)
    {
        _context.Budget.Pay(spec.Width + Math.Max(0, spec.Precision));
        FormatSpec text = spec with { Fill = " ", Align = spec.Align == '=' ? '>' : spec.Align };
        switch (type)
        {
            case 's':
                return text.OfText(Repr.Str(_context, value));
            case 'r' or 'a':
                return text.OfText(Repr.Of(_context, value));
            case 'c':
                string one = Types.TextOrNull(value) ?? (spec with { Type = 'c', Width = 0 }).OfInteger(Integer(value, type));
                return PythonText.Length(one) == 1 ? text.OfText(one) : throw TemplateFault.Type("%c requires int or char");
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o':
                BigInteger integer = Integer(value, type);
                string digits = FormatSpec.Digits(BigInteger.Abs(integer), type);
                string sign = integer.Sign < 0 ? "-" : spec.Sign == '-' ? "" : spec.Sign.ToString();
                string prefix = spec.Alternate && type is 'x' or 'X' or 'o' ? "0" + type : "";
                return spec.Pad(sign + prefix, digits.PadLeft(Math.Max(0, spec.Precision), '0'), '>');
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (!Number.TryFloat(value, out double number)) throw TemplateFault.Type($"must be real number, not {Types.NameOf(value)}");
                return (spec with { Type = type }).OfFloat(number);
            default:
                throw TemplateFault.Value($"unsupported format character '{type}'");
        }
    }

    private static BigInteger Integer(object? value, char type)
    {
        if (Number.TryInteger(value, out BigInteger integer)) return integer;
        if (value is double number && type is 'd' or 'i' or 'u') return Number.FromFloat((double)value);
        throw TemplateFault.Type($"%{type} format: a real number is required, not {Types.NameOf(value)}");
    }

    private object? Keyed()
    {
        int end = _format.IndexOf(')', _at);
        if (end < 0) throw TemplateFault.Value("incomplete format key");
        if (_given is not DictValue dict) throw TemplateFault.Type("format requires a mapping");
        string key = _format[(_at + 1)..end];
        _at = end + 1;
        _used = _arguments.Length;
        return dict.TryGet(key, out object? value) ? value : throw TemplateFault.Value($"KeyError: {Repr.Quote(key)}");
    }

    private int Size()
    {
        if (_at >= _format.Length || _format[_at] != '*') return FormatSpec.ReadNumber(_format, ref _at, 0);
        _at++;
        return Number.TryInteger(Next(), out BigInteger size) && BigInteger.Abs(size) <= 100_000
            ? (int)size
            : throw TemplateFault.Type("* wants int");
    }

    private object? Next()
    {
        if (_used >= _arguments.Length) throw TemplateFault.Type("not enough arguments for format string");
        object? value = _arguments[_used++];
        return value is Undefined ? "" : value;
    }
}
