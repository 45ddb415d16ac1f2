using System.Numerics;
using System.Text;

namespace Exo.Model.Text.Templates;

internal static partial class Filters
{
    private static void AddText(Action<string, string, Body> add)
    {
        void AddPlain(string name, Func<string, string> change) => add(name, "", (context, value, _) => change(Paid(context, value)));
        AddPlain("upper", PythonText.Upper);
        AddPlain("lower", PythonText.Lower);
        AddPlain("capitalize", PythonText.Capitalize);
        AddPlain("title", TitleOf);
        add("trim", "chars?", (context, value, a) => PythonText.Strip(Paid(context, value), a.TextOrNull(0), start: true, end: true));
        add("center", "width?", (context, value, a) => StringMethods.Pad(context, Paid(context, value), a.Int(0, 80), '^'));
        add("replace", "old new count?", (context, value, a) =>
            StringMethods.Replace(context, Paid(context, value), a.Str(0, ""), a.Str(1, ""), a.OrNull(2) is null ? -1 : a.Int(2, -1)));
        add("indent", "width? first? blank?", (context, value, a) => Indent(context, value, a));
        add("truncate", "length? killwords? end? leeway?", (context, value, a) => Truncate(Paid(context, value), a));
        add("wordcount", "", (context, value, _) => new BigInteger(CountWords(Paid(context, value))));
        add("wordwrap", "width? break_long_words? wrapstring? break_on_hyphens?", (context, value, a) =>
            WordWrap.Wrap(context, Paid(context, value), a.Int(0, 79), !a.Has(1) || a.Flag(1), a.TextOrNull(2) ?? "\n", !a.Has(3) || a.Flag(3)));
        add("urlencode", "", (context, value, _) => UrlEncode(context, value));
    }

    private static string Paid(RenderContext context, object? value)
    {
        string text = Repr.Str(context, value);
        context.Budget.PayText(text.Length);
        return text;
    }

    /// <summary>Jinja2's own title: words begin after white space, - ( { [ and &lt;.</summary>
    private static string TitleOf(string text)
    {
        var result = new StringBuilder(text.Length);
        bool starts = true;
        foreach (string point in PythonText.CodePoints(text))
        {
            result.Append(starts ? PythonText.Upper(point) : PythonText.Lower(point));
            starts = PythonText.IsSpace(point[0]) || point is "-" or "(" or "{" or "[" or "<";
        }

        return result.ToString();
    }

    private static object Indent(RenderContext context, object? value, Bound a)
    {
        if (Types.TextOrNull(value) is not string text)
            throw value is Undefined undefined ? undefined.Fault : TemplateFault.Type($"indent: a str is required, not {Types.NameOf(value)}");
        string indent = a.Has(0) && Types.TextOrNull(a[0]) is string given ? given : new string(' ', Math.Clamp(a.Int(0, 4), 0, 10_000));
        var result = new PaidText(context.Budget);
        List<object?> lines = PythonText.SplitLines(text + "\n", keepEnds: false);
        for (int i = 0; i < lines.Count; i++)
        {
            string line = (string)lines[i]!;
            bool indented = i == 0 ? a.Flag(1) : a.Flag(2) || line.Length > 0;
            result.Append(i > 0 ? "\n" : "").Append(indented ? indent : "").Append(line);
        }

        return value is Markup ? new Markup(result.ToString()) : result.ToString();
    }

    private static string Truncate(string text, Bound a)
    {
        int length = a.Int(0, 255), leeway = a.OrNull(3) is null ? 5 : a.Int(3, 5);
        string end = a.Has(2) ? a.Text(2) : "...";
        int keep = length - PythonText.Length(end);
        if (keep < 0) throw TemplateFault.Value($"expected length >= {PythonText.Length(end)}, got {length}");
        if (PythonText.Length(text) <= (long)length + leeway) return text;
        string cut = text[..PythonText.IndexOfCodePoint(text, keep)];
        if (a.Flag(1)) return cut + end;
        int space = cut.LastIndexOf(' ');
        return (space < 0 ? cut : cut[..space]) + end;
    }

    private static int CountWords(string text)
    {
        int words = 0;
        bool inWord = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isWord = rune.Value == '_' || Rune.IsLetterOrDigit(rune) || Rune.IsNumber(rune);
            if (isWord && !inWord) words++;
            inWord = isWord;
        }

        return words;
    }

    private static string UrlEncode(RenderContext context, object? value)
    {
        if (value is not (DictValue or ListValue or TupleValue)) return Quote(Paid(context, value), "/");
        IEnumerable<object?> pairs = value is DictValue dict ? new DictView(dict, DictPart.Items).Items : Types.Elements(context, value);
        return string.Join('&', pairs.Select(pair =>
        {
            List<object?> parts = Types.ToList(context, pair);
            return parts.Count == 2
                ? Quote(Paid(context, parts[0]), "").Replace("%20", "+", StringComparison.Ordinal) + "="
                    + Quote(Paid(context, parts[1]), "").Replace("%20", "+", StringComparison.Ordinal)
                : throw TemplateFault.Value("urlencode: pairs are required");
        }));
    }

    private static string Quote(string text, string safe)
    {
        var result = new StringBuilder(text.Length);
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || "_.-~".Contains(c) || safe.Contains(c)) result.Append(c);
            else result.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }

        return result.ToString();
    }

    private static void AddMarkup(Action<string, string, Body> add)
    {
        Body escape = (context, value, _) => value is Markup ? value : new Markup(Html.Escape(Paid(context, value)));
        add("escape", "", escape);
        add("e", "", escape);
        add("forceescape", "", (context, value, _) => new Markup(Html.Escape(Paid(context, value))));
        add("safe", "", (context, value, _) => new Markup(Paid(context, value)));
        add("striptags", "", (context, value, _) => Html.StripTags(Paid(context, value)));
        add("xmlattr", "autospace?", (context, value, a) =>
        {
            if (value is not DictValue dict) throw TemplateFault.Type("xmlattr: a mapping is required");
            string attributes = string.Join(' ', dict.Entries.Where(entry => entry.Value is not (null or Undefined)).Select(entry =>
                $"{Html.Escape(Paid(context, entry.Key))}=\"{Html.Escape(Paid(context, entry.Value))}\""));
            return attributes.Length > 0 && (!a.Has(0) || a.Flag(0)) ? " " + attributes : attributes;
        });
    }
}
