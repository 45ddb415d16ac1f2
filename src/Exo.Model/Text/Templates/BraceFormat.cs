using System.Globalization;
using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>Python's `format.format(...)`: fields like {}, {0}, {name}, {a.b[0]!r:&gt;10}, inside the sandbox.</summary>
internal sealed class BraceFormat(RenderContext context, Arguments arguments)
{
    private int _next;

    public string Apply(string format, int depth = 0)
    {
        if (depth > 2) throw TemplateFault.Value("Max string recursion exceeded");
        var result = new PaidText(context.Budget);
        for (int at = 0; at < format.Length;)
        {
            int brace = format.AsSpan(at).IndexOfAny('{', '}');
            if (brace < 0) brace = format.Length - at;
            result.Append(format.Substring(at, brace));
            at += brace;
            if (at >= format.Length) break;
            if (at + 1 < format.Length && format[at + 1] == format[at])
            {
                result.Append(format[at].ToString());
                at += 2;
                continue;
            }

            if (format[at] == '}') throw TemplateFault.Value("Single '}' encountered in format string");
            int end = EndOfField(format, at + 1);
            result.Append(Field(format[(at + 1)..end], depth));
            at = end + 1;
        }

        return result.ToString();
    }

    private static int EndOfField(string format, int from)
    {
        int open = 1;
        for (int i = from; i < format.Length; i++)
        {
            if (format[i] == '{') open++;
            else if (format[i] == '}' && --open == 0) return i;
        }

        throw TemplateFault.Value("expected '}' before end of string");
    }

    private string Field(string field, int depth)
    {
        int split = field.AsSpan().IndexOfAny('!', ':');
        string path = split < 0 ? field : field[..split];
        object? value = Look(path);
        string rest = split < 0 ? "" : field[split..];
        if (rest.StartsWith('!'))
        {
            if (rest.Length < 2 || (rest.Length > 2 && rest[2] != ':')) throw TemplateFault.Value("expected ':' after conversion specifier");
            value = rest[1] switch
            {
                's' => Repr.Str(context, value),
                'r' or 'a' => Repr.Of(context, value),
                _ => throw TemplateFault.Value($"Unknown conversion specifier '{rest[1]}'"),
            };
            rest = rest[2..];
        }

        string spec = rest.Length > 1 ? Apply(rest[1..], depth + 1) : "";
        if (value is Undefined) return FormatSpec.Parse(spec).OfText("");
        return FormatSpec.Parse(spec).Apply(context, value);
    }

    private object? Look(string path)
    {
        int end = path.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? path : path[..end];
        object? value = First(first);
        while (end >= 0 && end < path.Length)
        {
            if (path[end] == '.')
            {
                int next = path.AsSpan(end + 1).IndexOfAny('.', '[');
                next = next < 0 ? path.Length : end + 1 + next;
                value = Attributes.Get(context, value, path[(end + 1)..next]);
                end = next;
            }
            else
            {
                int close = path.IndexOf(']', end);
                if (path[end] != '[' || close < 0) throw TemplateFault.Value("Missing ']' in format string");
                string key = path[(end + 1)..close];
                value = Attributes.Item(context, value, IsNumber(key) ? BigInteger.Parse(key, CultureInfo.InvariantCulture) : key);
                end = close + 1;
            }
        }

        return value;
    }

    private object? First(string name)
    {
        if (name.Length == 0 || IsNumber(name))
        {
            int index = name.Length == 0 ? _next++ : int.Parse(name, CultureInfo.InvariantCulture);
            return index < arguments.Positional.Count
                ? arguments.Positional[index]
                : throw TemplateFault.Value("Replacement index out of range for positional args tuple");
        }

        foreach ((string key, object? value) in arguments.Named)
            if (key == name) return value;
        throw TemplateFault.Value($"KeyError: {Repr.Quote(name)}");
    }

    private static bool IsNumber(string text) => text.Length is > 0 and < 9 && text.All(char.IsAsciiDigit);
}
