using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>The tests of Jinja2: value is name(...).</summary>
internal static class Tests
{
    private delegate bool Body(RenderContext context, object? value, Bound arguments);

    private static readonly Dictionary<string, (Signature Signature, Body Body)> s_tests = Build();

    public static bool Exists(string name) => s_tests.ContainsKey(name);

    public static bool Holds(RenderContext context, string name, object? value, Arguments arguments)
    {
        if (!s_tests.TryGetValue(name, out (Signature Signature, Body Body) test))
            throw new TemplateFault(ChatTemplateError.UnknownName, $"No test named {Repr.Quote(name)}.");
        return test.Body(context, value, test.Signature.Bind(context, arguments));
    }

    private static Dictionary<string, (Signature, Body)> Build()
    {
        var tests = new Dictionary<string, (Signature, Body)>(StringComparer.Ordinal);
        void Add(string name, string parameters, Body body) => tests.Add(name, (new Signature(name, parameters), body));
        void Is(string name, Func<object?, bool> holds) => Add(name, "", (_, value, _) => holds(value));
        Is("defined", value => value is not Undefined);
        Is("undefined", value => value is Undefined);
        Is("none", value => value is null);
        Is("boolean", value => value is bool);
        Is("true", value => value is true);
        Is("false", value => value is false);
        Is("integer", value => value is BigInteger);
        Is("float", value => value is double);
        Is("number", value => value is BigInteger or double or bool);
        Is("string", value => value is string or Markup);
        Is("mapping", value => value is DictValue);
        Is("iterable", Types.IsIterable);
        Is("sequence", value => value is string or Markup or ListValue or TupleValue or DictValue or RangeValue or Undefined);
        Is("callable", value => value is ICallable or Undefined);
        Is("escaped", value => value is Markup);
        Add("lower", "", (context, value, _) => HasCase(Repr.Str(context, value), upper: false));
        Add("upper", "", (context, value, _) => HasCase(Repr.Str(context, value), upper: true));
        Add("even", "", (context, value, _) => Remainder(context, value, new BigInteger(2)) == 0);
        Add("odd", "", (context, value, _) => Remainder(context, value, new BigInteger(2)) == 1);
        Add("divisibleby", "num", (context, value, a) => Remainder(context, value, a[0]) == 0);
        Add("sameas", "other", (context, value, a) => ReferenceEquals(value, a[0])
            || (value is bool or null or BigInteger or string && Types.NameOf(value) == Types.NameOf(a[0]) && Operators.AreEqual(context, value, a[0])));
        Add("filter", "", (_, value, _) => Types.TextOrNull(value) is string name && Filters.Exists(name));
        Add("test", "", (_, value, _) => Types.TextOrNull(value) is string name && s_tests!.ContainsKey(name));
        AddComparisons(Add);
        return tests;
    }

    private static void AddComparisons(Action<string, string, Body> add)
    {
        (string Symbol, string[] Names)[] comparisons =
        [
            ("==", ["==", "eq", "equalto"]), ("!=", ["!=", "ne"]), ("<", ["<", "lt", "lessthan"]), ("<=", ["<=", "le"]),
            (">", [">", "gt", "greaterthan"]), (">=", [">=", "ge"]), ("in", ["in"]),
        ];
        foreach ((string symbol, string[] names) in comparisons)
            foreach (string name in names) add(name, "other", (context, value, a) => Operators.Holds(context, symbol, value, a[0]));
    }

    private static double Remainder(RenderContext context, object? value, object? divisor)
    {
        object? remainder = Arithmetic.Apply(context, "%", value, divisor);
        return Number.TryFloat(remainder, out double number) ? number : double.NaN;
    }

    private static bool HasCase(string text, bool upper) =>
        text.EnumerateRunes().Any(PythonText.IsCased) && (upper ? PythonText.Upper(text) : PythonText.Lower(text)) == text;
}
