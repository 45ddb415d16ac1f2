using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Model.Text.Templates;

/// <summary>How `tojson` writes: the options of Python's json.dumps.</summary>
internal sealed record JsonStyle(string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys, bool EnsureAscii);

/// <summary>JSON to values of the template language, and back to text as Python's json.dumps writes it.</summary>
internal static class JsonText
{
    /// <summary>The value that Python's json.loads gives for a node. Order of keys is kept.</summary>
    public static object? FromJson(RenderContext context, JsonNode? node)
    {
        context.Budget.Enter();
        object? value = node switch
        {
            null => null,
            JsonObject entries => FromObject(context, entries),
            JsonArray items => FromArray(context, items),
            _ => FromScalar(context, node.AsValue()),
        };
        context.Budget.Leave();
        return value;
    }

    private static DictValue FromObject(RenderContext context, JsonObject entries)
    {
        DictValue dict = context.NewDict();
        foreach ((string key, JsonNode? value) in entries) dict.Set(key, FromJson(context, value));
        return dict;
    }

    private static ListValue FromArray(RenderContext context, JsonArray items)
    {
        var list = new List<object?>(items.Count);
        foreach (JsonNode? item in items) list.Add(FromJson(context, item));
        return new ListValue(list);
    }

    private static object? FromScalar(RenderContext context, JsonValue scalar)
    {
        switch (scalar.GetValueKind())
        {
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.Number:
                return FromNumber(scalar.ToJsonString());
            default:
                string text = scalar.ToString();
                context.Budget.PayText(text.Length);
                return text;
        }
    }

    private static object FromNumber(string text)
    {
        if (text.AsSpan().ContainsAny('.', 'e', 'E')) return double.Parse(text, CultureInfo.InvariantCulture);
        if (text.Length > Number.MaxDigits) throw TemplateFault.Value($"an integer of more than {Number.MaxDigits} digits");
        return BigInteger.Parse(text, CultureInfo.InvariantCulture);
    }

    /// <summary>json.dumps(value).</summary>
    public static string Dump(RenderContext context, object? value, JsonStyle style)
    {
        var text = new PaidText(context.Budget);
        Write(context, text, value, style, "\n");
        return text.ToString();
    }

    private static void Write(RenderContext context, PaidText text, object? value, JsonStyle style, string newline)
    {
        switch (value)
        {
            case ListValue list:
                WriteItems(context, text, list.Items, style, newline);
                break;
            case TupleValue tuple:
                WriteItems(context, text, tuple.Items, style, newline);
                break;
            case DictValue dict:
                WriteEntries(context, text, dict, style, newline);
                break;
            default:
                text.Append(Scalar(value, style));
                break;
        }
    }

    private static string Scalar(object? value, JsonStyle style) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        BigInteger number => Types.Text(number),
        double number => double.IsNaN(number) ? "NaN"
            : double.IsInfinity(number) ? (number > 0 ? "Infinity" : "-Infinity")
            : Number.Text(number),
        string text => Quote(text, style.EnsureAscii),
        Markup markup => Quote(markup.Text, style.EnsureAscii),
        _ => throw TemplateFault.Type($"Object of type {Types.NameOf(value)} is not JSON serializable"),
    };

    private static void WriteItems(RenderContext context, PaidText text, IReadOnlyList<object?> items, JsonStyle style, string newline)
    {
        if (items.Count == 0)
        {
            text.Append("[]");
            return;
        }

        context.Budget.Enter();
        string inner = newline + style.Indent;
        for (int i = 0; i < items.Count; i++)
        {
            text.Append(i == 0 ? "[" : style.ItemSeparator);
            if (style.Indent is not null) text.Append(inner);
            Write(context, text, items[i], style, inner);
        }

        if (style.Indent is not null) text.Append(newline);
        text.Append("]");
        context.Budget.Leave();
    }

    private static void WriteEntries(RenderContext context, PaidText text, DictValue dict, JsonStyle style, string newline)
    {
        if (dict.Count == 0)
        {
            text.Append("{}");
            return;
        }

        context.Budget.Enter();
        string inner = newline + style.Indent;
        IReadOnlyList<KeyValuePair<object?, object?>> entries = dict.Entries;
        if (style.SortKeys) entries = Ordering.Sorted(context, entries, entry => entry.Key);
        for (int i = 0; i < entries.Count; i++)
        {
            text.Append(i == 0 ? "{" : style.ItemSeparator);
            if (style.Indent is not null) text.Append(inner);
            text.Append(Key(entries[i].Key, style)).Append(style.KeySeparator);
            Write(context, text, entries[i].Value, style, inner);
        }

        if (style.Indent is not null) text.Append(newline);
        text.Append("}");
        context.Budget.Leave();
    }

    private static string Key(object? key, JsonStyle style) => key switch
    {
        null or bool or BigInteger or double => $"\"{Scalar(key, style)}\"",
        string or Markup => Scalar(key, style),
        _ => throw TemplateFault.Type($"keys must be str, int, float, bool or None, not {Types.NameOf(key)}"),
    };

    private static string Quote(string text, bool ensureAscii)
    {
        var result = new StringBuilder(text.Length + 2).Append('"');
        foreach (char c in text)
        {
            if (c is '"' or '\\') result.Append('\\').Append(c);
            else if (c == '\n') result.Append("\\n");
            else if (c == '\r') result.Append("\\r");
            else if (c == '\t') result.Append("\\t");
            else if (c == '\b') result.Append("\\b");
            else if (c == '\f') result.Append("\\f");
            else if (c < ' ' || (ensureAscii && c > '~')) result.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            else result.Append(c);
        }

        return result.Append('"').ToString();
    }
}
