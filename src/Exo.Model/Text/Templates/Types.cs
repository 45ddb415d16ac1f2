using System.Globalization;
using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>What kind of value a value is: its Python type's name, its truth, its length, its elements.</summary>
internal static class Types
{
    public static string NameOf(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        BigInteger => "int",
        double => "float",
        string => "str",
        Markup => "Markup",
        ListValue => "list",
        TupleValue => "tuple",
        DictValue => "dict",
        DictView view => view.TypeName,
        RangeValue => "range",
        Generator => "generator",
        Undefined => "Undefined",
        NamespaceValue => "Namespace",
        Macro => "Macro",
        LoopValue => "LoopContext",
        _ => "builtin_function_or_method",
    };

    /// <summary>The value in the words of Jinja2's messages about attributes.</summary>
    public static string Describe(object? value) => value is null ? "None" : NameOf(value) + " object";

    public static bool IsTrue(object? value) => value switch
    {
        null or false or Undefined => false,
        true => true,
        string text => text.Length > 0,
        Markup markup => markup.Text.Length > 0,
        BigInteger number => !number.IsZero,
        double number => number != 0,
        LoopValue => true,
        _ => TryLength(value, out long length) ? length > 0 : true,
    };

    /// <summary>The str of a value that is text; null for any other.</summary>
    public static string? TextOrNull(object? value) => value as string ?? (value as Markup)?.Text;

    public static bool TryLength(object? value, out long length)
    {
        long? known = value switch
        {
            string text => PythonText.Length(text),
            Markup markup => PythonText.Length(markup.Text),
            ListValue list => list.Items.Count,
            TupleValue tuple => tuple.Items.Length,
            DictValue dict => dict.Count,
            DictView view => view.Dict.Count,
            RangeValue range => range.Length,
            Undefined => 0,
            LoopValue loop => loop.Length,
            _ => null,
        };
        length = known ?? 0;
        return known is not null;
    }

    public static bool IsIterable(object? value) =>
        value is string or Markup or ListValue or TupleValue or DictValue or DictView or RangeValue or Generator or Undefined or LoopValue;

    /// <summary>The elements of a value; a fault where it has none. Each one is paid for as it is taken.</summary>
    public static IEnumerable<object?> Elements(RenderContext context, object? value)
    {
        IEnumerable<object?> elements = value switch
        {
            string text => PythonText.CodePoints(text),
            Markup markup => PythonText.CodePoints(markup.Text),
            ListValue list => list.Items,
            TupleValue tuple => tuple.Items,
            DictValue dict => dict.Entries.Select(entry => entry.Key),
            DictView view => view.Items,
            RangeValue range => ElementsOf(range),
            Generator generator => generator.Rest(),
            Undefined => [],
            LoopValue loop => loop.Rest(),
            _ => throw TemplateFault.Type($"'{NameOf(value)}' object is not iterable"),
        };
        return Paid(context, elements);
    }

    public static List<object?> ToList(RenderContext context, object? value) => [.. Elements(context, value)];

    /// <summary>str of an int.</summary>
    public static string Text(BigInteger number) => number.ToString(CultureInfo.InvariantCulture);

    private static IEnumerable<object?> Paid(RenderContext context, IEnumerable<object?> elements)
    {
        // Paid for before it is taken: generators over generators over generators ... recurse in MoveNext.
        using IEnumerator<object?> source = elements.GetEnumerator();
        while (true)
        {
            context.Budget.PayNode();
            if (!source.MoveNext()) yield break;
            yield return source.Current;
        }
    }

    private static IEnumerable<object?> ElementsOf(RangeValue range)
    {
        for (long i = 0; i < range.Length; i++) yield return range[i];
    }
}
