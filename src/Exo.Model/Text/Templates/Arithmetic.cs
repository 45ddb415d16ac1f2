using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>Python's arithmetic operators.</summary>
internal static class Arithmetic
{
    public static object? Apply(RenderContext context, string symbol, object? a, object? b)
    {
        if (a is Undefined u) throw u.Fault;
        if (symbol == "%" && Types.TextOrNull(a) is string format) return PercentFormat.Apply(context, format, b);
        if (b is Undefined v) throw v.Fault;
        if (Number.TryInteger(a, out BigInteger i) && Number.TryInteger(b, out BigInteger j)) return OfIntegers(symbol, i, j);
        if (Number.TryFloat(a, out double x) && Number.TryFloat(b, out double y)) return OfFloats(symbol, x, y);
        return symbol switch
        {
            "+" => Join(context, a, b),
            "*" when Number.TryInteger(b, out BigInteger count) => Repeat(context, a, count) ?? throw Unsupported(symbol, a, b),
            "*" when Number.TryInteger(a, out BigInteger count) => Repeat(context, b, count) ?? throw Unsupported(symbol, a, b),
            _ => throw Unsupported(symbol, a, b),
        };
    }

    public static object Negate(object? a) => a switch
    {
        Undefined u => throw u.Fault,
        double x => -x,
        _ when Number.TryInteger(a, out BigInteger i) => -i,
        _ => throw TemplateFault.Type($"bad operand type for unary -: '{Types.NameOf(a)}'"),
    };

    public static object Plus(object? a) => a switch
    {
        Undefined u => throw u.Fault,
        double x => x,
        _ when Number.TryInteger(a, out BigInteger i) => i,
        _ => throw TemplateFault.Type($"bad operand type for unary +: '{Types.NameOf(a)}'"),
    };

    private static object OfIntegers(string symbol, BigInteger a, BigInteger b) => symbol switch
    {
        "+" => Number.Bounded(a + b),
        "-" => Number.Bounded(a - b),
        "*" => Number.Bounded(a * b),
        "**" when b.Sign >= 0 => Number.Power(a, b),
        "**" => OfFloats(symbol, Number.ToFloat(a), Number.ToFloat(b)),
        _ when b.IsZero => throw DividedByZero(symbol == "/" ? "division by zero" : "integer division or modulo by zero"),
        "/" => Number.ToFloat(a) / Number.ToFloat(b),
        "//" => Number.FloorDivide(a, b).Quotient,
        _ => Number.FloorDivide(a, b).Remainder,
    };

    private static object OfFloats(string symbol, double a, double b)
    {
        switch (symbol)
        {
            case "+":
                return a + b;
            case "-":
                return a - b;
            case "*":
                return a * b;
            case "**":
                if (a == 0 && b < 0) throw DividedByZero("0.0 cannot be raised to a negative power");
                if (a < 0 && !double.IsInteger(b) && double.IsFinite(b)) throw TemplateFault.Type("complex numbers are not supported");
                double power = Math.Pow(a, b);
                return double.IsInfinity(power) && double.IsFinite(a) && double.IsFinite(b)
                    ? throw TemplateFault.Value("Numerical result out of range")
                    : power;
        }

        if (b == 0) throw DividedByZero(symbol switch { "/" => "float division by zero", "//" => "float floor division by zero", _ => "float modulo" });
        return symbol == "/" ? a / b : symbol == "//" ? Number.FloorDivide(a, b).Quotient : Number.FloorDivide(a, b).Remainder;
    }

    private static object Join(RenderContext context, object? a, object? b)
    {
        switch (a, b)
        {
            case (ListValue x, ListValue y):
                context.Budget.Pay((long)x.Items.Count + y.Items.Count);
                return new ListValue([.. x.Items, .. y.Items]);
            case (TupleValue x, TupleValue y):
                context.Budget.Pay((long)x.Items.Length + y.Items.Length);
                return new TupleValue([.. x.Items, .. y.Items]);
        }

        string? left = Types.TextOrNull(a), right = Types.TextOrNull(b);
        if (left is not null && right is not null)
        {
            context.Budget.PayText((long)left.Length + right.Length);
            if (a is not Markup && b is not Markup) return left + right;
            return new Markup((a is Markup ? left : Html.Escape(left)) + (b is Markup ? right : Html.Escape(right)));
        }

        if (left is not null) throw TemplateFault.Type($"can only concatenate str (not \"{Types.NameOf(b)}\") to str");
        if (a is ListValue or TupleValue)
            throw TemplateFault.Type($"can only concatenate {Types.NameOf(a)} (not \"{Types.NameOf(b)}\") to {Types.NameOf(a)}");
        throw Unsupported("+", a, b);
    }

    private static object? Repeat(RenderContext context, object? value, BigInteger times)
    {
        int count = Math.Max(0, Number.Clamp(times));
        switch (value)
        {
            case string or Markup:
                string text = Types.TextOrNull(value)!;
                context.Budget.PayText((long)text.Length * count);
                string repeated = string.Concat(Enumerable.Repeat(text, text.Length == 0 ? 0 : count));
                return value is Markup ? new Markup(repeated) : repeated;
            case ListValue list:
                return new ListValue(Repeat(context, list.Items, count));
            case TupleValue tuple:
                return new TupleValue([.. Repeat(context, tuple.Items, count)]);
            default:
                return null;
        }
    }

    private static List<object?> Repeat(RenderContext context, IReadOnlyList<object?> items, int count)
    {
        context.Budget.Pay((long)items.Count * count);
        var repeated = new List<object?>();
        for (int i = 0; i < count && items.Count > 0; i++) repeated.AddRange(items);
        return repeated;
    }

    private static TemplateFault DividedByZero(string reason) => new(ChatTemplateError.ZeroDivision, reason);

    private static TemplateFault Unsupported(string symbol, object? a, object? b) => TemplateFault.Type(
        $"unsupported operand type(s) for {(symbol == "**" ? "** or pow()" : symbol)}: '{Types.NameOf(a)}' and '{Types.NameOf(b)}'");
}
