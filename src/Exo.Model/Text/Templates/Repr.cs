using System.Globalization;
using System.Numerics;
using System.Text;

namespace Exo.Model.Text.Templates;

/// <summary>Python's str and repr of a value.</summary>
internal static class Repr
{
    /// <summary>str(value): what printing it gives.</summary>
    public static string Str(RenderContext context, object? value) => value switch
    {
        string text => text,
        Markup markup => markup.Text,
        Undefined => "",
        BigInteger number => Types.Text(number),
        _ => Of(context, value),
    };

    /// <summary>repr(value).</summary>
    public static string Of(RenderContext context, object? value)
    {
        var text = new PaidText(context.Budget);
        Write(context, text, value);
        return text.ToString();
    }

    private static void Write(RenderContext context, PaidText text, object? value)
    {
        switch (value)
        {
            case ListValue list:
                WriteAll(context, text, "[", list.Items, "]");
                break;
            case TupleValue tuple:
                WriteAll(context, text, "(", tuple.Items, tuple.Items.Length == 1 ? ",)" : ")");
                break;
            case DictView view:
                WriteAll(context, text, view.TypeName + "([", view.Items, "])");
                break;
            case DictValue dict:
                WriteDict(context, text, dict.Entries);
                break;
            case NamespaceValue names:
                text.Append("<Namespace ");
                WriteDict(context, text, [.. names.Attributes.Select(a => new KeyValuePair<object?, object?>(a.Key, a.Value))]);
                text.Append(">");
                break;
            default:
                text.Append(Simple(value));
                break;
        }
    }

    private static string Simple(object? value) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        BigInteger number => Types.Text(number),
        double number => Number.Text(number),
        string text => Quote(text),
        Markup markup => $"Markup({Quote(markup.Text)})",
        RangeValue { Step: 1 } range => $"range({range.Start}, {range.Stop})",
        RangeValue range => $"range({range.Start}, {range.Stop}, {range.Step})",
        Undefined => "Undefined",
        Macro macro => macro.Name is null ? "<Macro anonymous>" : $"<Macro {Quote(macro.Name)}>",
        LoopValue loop => $"<LoopContext {loop.Index0 + 1}/{loop.Length}>",
        BoundMethod method => $"<built-in method {method.Name} of {Types.NameOf(method.Target)} object>",
        _ => $"<{Types.NameOf(value)} object>",
    };

    private static void WriteAll(RenderContext context, PaidText text, string open, IEnumerable<object?> items, string close)
    {
        context.Budget.Enter();
        text.Append(open);
        bool first = true;
        foreach (object? item in items)
        {
            if (!first) text.Append(", ");
            first = false;
            Write(context, text, item);
        }

        text.Append(close);
        context.Budget.Leave();
    }

    private static void WriteDict(RenderContext context, PaidText text, IReadOnlyList<KeyValuePair<object?, object?>> entries)
    {
        context.Budget.Enter();
        text.Append("{");
        for (int i = 0; i < entries.Count; i++)
        {
            if (i > 0) text.Append(", ");
            Write(context, text, entries[i].Key);
            text.Append(": ");
            Write(context, text, entries[i].Value);
        }

        text.Append("}");
        context.Budget.Leave();
    }

    /// <summary>A str in quotes, single ones unless only those occur in it; what cannot be printed as an escape.</summary>
    public static string Quote(string text)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var result = new StringBuilder(text.Length + 2).Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is >= ' ' and < '\x7f' and not ('\'' or '"' or '\\')) result.Append(text[i]);
            else if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) AppendQuoted(result, text.Substring(i++, 2), quote);
            else AppendQuoted(result, text[i].ToString(), quote);
        }

        return result.Append(quote).ToString();
    }

    /// <summary>A name for a message, quoted, and cut where it is long.</summary>
    public static string Short(string name) => Quote(name.Length <= 200 ? name : name[..200] + "...");

    private static void AppendQuoted(StringBuilder result, string point, char quote)
    {
        char c = point[0];
        if (c == quote || c == '\\') result.Append('\\').Append(c);
        else if (c is >= ' ' and < '\x7f') result.Append(c);
        else if (c is '\n' or '\r' or '\t') result.Append('\\').Append(c switch { '\n' => 'n', '\r' => 'r', _ => 't' });
        else if (Rune.TryGetRuneAt(point, 0, out Rune rune) && IsPrintable(rune)) result.Append(point);
        else AppendEscape(result, point.Length == 2 ? char.ConvertToUtf32(point, 0) : c);
    }

    private static void AppendEscape(StringBuilder result, int point)
    {
        string digits = point.ToString(point <= 0xff ? "x2" : point <= 0xffff ? "x4" : "x8", CultureInfo.InvariantCulture);
        result.Append('\\').Append(digits.Length switch { 2 => 'x', 4 => 'u', _ => 'U' }).Append(digits);
    }

    /// <summary>str.isprintable for one code point.</summary>
    public static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune)
        is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);
}
