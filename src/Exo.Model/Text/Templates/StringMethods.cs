using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;

namespace Exo.Model.Text.Templates;

/// <summary>The methods of Python's str.</summary>
internal static class StringMethods
{
    internal delegate object? Body(RenderContext context, string text, Bound arguments);

    private static readonly Dictionary<string, (Signature Signature, Body Body)> s_methods = Build();

    public static bool TryGet(string name, [NotNullWhen(true)] out Signature? signature, [NotNullWhen(true)] out Body? body)
    {
        bool found = s_methods.TryGetValue(name, out (Signature Signature, Body Body) method);
        (signature, body) = found ? (method.Signature, method.Body) : (null, null);
        return found;
    }

    private static Dictionary<string, (Signature, Body)> Build()
    {
        var methods = new Dictionary<string, (Signature, Body)>(StringComparer.Ordinal);
        void Add(string name, string parameters, Body body) => methods.Add(name, (new Signature(name, parameters), (context, text, arguments) =>
        {
            context.Budget.PayText(text.Length);
            return body(context, text, arguments);
        }
        ));
        AddCases(Add);
        AddQuestions(Add);
        AddSearches(Add);
        AddStrips(Add);
        AddSplits(Add);
        return methods;
    }

    private static void AddCases(Action<string, string, Body> add)
    {
        add("upper", "", (_, text, _) => PythonText.Upper(text));
        add("lower", "", (_, text, _) => PythonText.Lower(text));
        add("casefold", "", (_, text, _) => PythonText.Lower(text).Replace("ß", "ss", StringComparison.Ordinal));
        add("title", "", (_, text, _) => PythonText.Title(text));
        add("capitalize", "", (_, text, _) => PythonText.Capitalize(text));
        add("swapcase", "", (_, text, _) => string.Concat(PythonText.CodePoints(text).Select(point =>
            PythonText.Upper(point) == point ? PythonText.Lower(point) : PythonText.Upper(point))));
    }

    private static void AddQuestions(Action<string, string, Body> add)
    {
        void AddAll(string name, Func<Rune, bool> holds) => add(name, "", (_, text, _) => text.Length > 0 && text.EnumerateRunes().All(holds));
        AddAll("isalpha", Rune.IsLetter);
        AddAll("isalnum", rune => Rune.IsLetter(rune) || Rune.IsNumber(rune));
        AddAll("isdigit", rune => Rune.IsDigit(rune) || "²³¹".Contains(rune.ToString(), StringComparison.Ordinal));
        AddAll("isdecimal", Rune.IsDigit);
        AddAll("isnumeric", Rune.IsNumber);
        AddAll("isspace", rune => rune.IsBmp && PythonText.IsSpace((char)rune.Value));
        add("isascii", "", (_, text, _) => Ascii.IsValid(text));
        add("isprintable", "", (_, text, _) => text.EnumerateRunes().All(Repr.IsPrintable));
        add("isidentifier", "", (_, text, _) => text.Length > 0 && !char.IsAsciiDigit(text[0])
            && text.EnumerateRunes().All(rune => rune.Value == '_' || Rune.IsLetterOrDigit(rune)));
        add("isupper", "", (_, text, _) => text.EnumerateRunes().Any(PythonText.IsCased) && !text.EnumerateRunes().Any(Rune.IsLower));
        add("islower", "", (_, text, _) => text.EnumerateRunes().Any(PythonText.IsCased) && !text.EnumerateRunes().Any(Rune.IsUpper));
        add("istitle", "", (_, text, _) => text.EnumerateRunes().Any(PythonText.IsCased) && PythonText.Title(text) == text);
    }

    private static void AddSearches(Action<string, string, Body> add)
    {
        add("startswith", "prefix start? end?", (_, text, a) => Affix(text, a, (part, affix) => part.StartsWith(affix, StringComparison.Ordinal)));
        add("endswith", "suffix start? end?", (_, text, a) => Affix(text, a, (part, affix) => part.EndsWith(affix, StringComparison.Ordinal)));
        add("find", "sub start? end?", (context, text, a) => new BigInteger(Find(context, text, a, last: false)));
        add("rfind", "sub start? end?", (context, text, a) => new BigInteger(Find(context, text, a, last: true)));
        add("index", "sub start? end?", (context, text, a) => Found(Find(context, text, a, last: false)));
        add("rindex", "sub start? end?", (context, text, a) => Found(Find(context, text, a, last: true)));
        add("count", "sub start? end?", (context, text, a) =>
        {
            context.Budget.PaySearch(text, a.Text(0));
            (int start, int end) = Part(text, a);
            string part = start > end ? "" : text[start..end], sub = a.Text(0);
            if (sub.Length == 0) return new BigInteger(start > end ? 0 : PythonText.Length(part) + 1);
            return new BigInteger(part.AsSpan().Count(sub));
        });
        add("replace", "old new count?", (context, text, a) => Replace(context, text, a.Text(0), a.Text(1), a.Int(2, -1)));
    }

    private static void AddStrips(Action<string, string, Body> add)
    {
        add("strip", "chars?", (_, text, a) => PythonText.Strip(text, a.TextOrNull(0), start: true, end: true));
        add("lstrip", "chars?", (_, text, a) => PythonText.Strip(text, a.TextOrNull(0), start: true, end: false));
        add("rstrip", "chars?", (_, text, a) => PythonText.Strip(text, a.TextOrNull(0), start: false, end: true));
        add("removeprefix", "prefix", (_, text, a) => text.StartsWith(a.Text(0), StringComparison.Ordinal) ? text[a.Text(0).Length..] : text);
        add("removesuffix", "suffix", (_, text, a) => text.EndsWith(a.Text(0), StringComparison.Ordinal) ? text[..^a.Text(0).Length] : text);
        add("ljust", "width fillchar?", (context, text, a) => Pad(context, text, a, '<'));
        add("rjust", "width fillchar?", (context, text, a) => Pad(context, text, a, '>'));
        add("center", "width fillchar?", (context, text, a) => Pad(context, text, a, '^'));
        add("zfill", "width", (context, text, a) =>
        {
            context.Budget.PayText(Math.Max(0, a.Int(0, 0)));
            int sign = text.Length > 0 && text[0] is '+' or '-' ? 1 : 0;
            return text[..sign] + new string('0', Math.Max(0, a.Int(0, 0) - PythonText.Length(text))) + text[sign..];
        });
        add("expandtabs", "tabsize?", (context, text, a) => ExpandTabs(context, text, a.Int(0, 8)));
    }

    private static void AddSplits(Action<string, string, Body> add)
    {
        void AddSplit(string name, Func<string, string?, int, List<object?>> split) => add(name, "sep? maxsplit?", (context, text, a) =>
        {
            context.Budget.PaySearch(text, a.TextOrNull(0) ?? "");
            return Paid(context, split(text, a.TextOrNull(0), a.Int(1, -1)));
        });
        void AddPartition(string name, bool last) => add(name, "sep", (context, text, a) =>
        {
            context.Budget.PaySearch(text, a.Text(0));
            return TextSplit.Partition(text, a.Text(0), last);
        });
        AddSplit("split", TextSplit.Split);
        AddSplit("rsplit", TextSplit.SplitFromEnd);
        AddPartition("partition", last: false);
        AddPartition("rpartition", last: true);
        add("splitlines", "keepends?", (context, text, a) => Paid(context, PythonText.SplitLines(text, a.Flag(0))));
        add("join", "iterable", (context, text, a) => Join(context, text, Types.Elements(context, a[0])));
    }

    public static string Replace(RenderContext context, string text, string old, string replacement, int count)
    {
        context.Budget.PaySearch(text, old);
        var result = new PaidText(context.Budget);
        int at = 0;
        if (old.Length == 0)
        {
            foreach (string point in PythonText.CodePoints(text))
            {
                if (count-- == 0) return result.Append(text[at..]).ToString();
                result.Append(replacement).Append(point);
                at += point.Length;
            }

            return (count == 0 ? result : result.Append(replacement)).ToString();
        }

        while (count-- != 0)
        {
            int next = text.IndexOf(old, at, StringComparison.Ordinal);
            if (next < 0) break;
            result.Append(text[at..next]).Append(replacement);
            at = next + old.Length;
        }

        return result.Append(text[at..]).ToString();
    }

    private static string Join(RenderContext context, string separator, IEnumerable<object?> items)
    {
        var result = new PaidText(context.Budget);
        int index = 0;
        foreach (object? item in items)
        {
            if (index > 0) result.Append(separator);
            result.Append(Types.TextOrNull(item)
                ?? throw TemplateFault.Type($"sequence item {index}: expected str instance, {Types.NameOf(item)} found"));
            index++;
        }

        return result.ToString();
    }

    public static string Pad(RenderContext context, string text, int width, char align, string fill = " ")
    {
        context.Budget.PayText(Math.Max(0, width));
        int missing = width - PythonText.Length(text);
        if (missing <= 0) return text;
        // str.center puts the odd space to the left where the width is odd.
        int left = align switch { '<' => 0, '>' => missing, _ => missing / 2 + (missing & width & 1) };
        return new StringBuilder().Insert(0, fill, left).Append(text).Insert(text.Length + left * fill.Length, fill, missing - left).ToString();
    }

    private static string Pad(RenderContext context, string text, Bound a, char align)
    {
        string fill = a.Has(1) ? a.Text(1) : " ";
        if (PythonText.Length(fill) != 1) throw TemplateFault.Type("The fill character must be exactly one character long");
        return Pad(context, text, a.Int(0, 0), align, fill);
    }

    private static string ExpandTabs(RenderContext context, string text, int size)
    {
        var result = new PaidText(context.Budget);
        int column = 0;
        foreach (string point in PythonText.CodePoints(text))
        {
            int width = point == "\t" ? (size <= 0 ? 0 : size - column % size) : 1;
            context.Budget.PayText(width);
            result.Append(point == "\t" ? new string(' ', width) : point);
            column = point is "\n" or "\r" ? 0 : column + width;
        }

        return result.ToString();
    }

    private static ListValue Paid(RenderContext context, List<object?> items)
    {
        context.Budget.Pay(items.Count);
        return new ListValue(items);
    }

    private static object Affix(string text, Bound a, Func<string, string, bool> holds)
    {
        (int start, int end) = Part(text, a);
        if (start > end) return false;
        string part = text[start..end];
        if (a[0] is TupleValue any) return any.Items.Any(item => holds(part, Types.TextOrNull(item) ?? throw TemplateFault.Type("tuple of str expected")));
        return holds(part, a.Text(0));
    }

    /// <summary>The UTF-16 range that arguments 1 and 2 name in code points.</summary>
    private static (int Start, int End) Part(string text, Bound a)
    {
        if (a.OrNull(1) is null && a.OrNull(2) is null) return (0, text.Length);
        int length = PythonText.Length(text);
        int At(int index, int otherwise)
        {
            long at = a.OrNull(index) is null ? otherwise : a.Int(index, otherwise);
            if (at < 0) at = Math.Max(0, at + length);
            return (int)Math.Min(at, length + 1L);
        }

        int start = At(1, 0), end = Math.Min(length, At(2, length));
        return start > length ? (text.Length + 1, text.Length) : (PythonText.IndexOfCodePoint(text, start), PythonText.IndexOfCodePoint(text, end));
    }

    private static int Find(RenderContext context, string text, Bound a, bool last)
    {
        (int start, int end) = Part(text, a);
        string sub = a.Text(0);
        context.Budget.PaySearch(text, sub);
        if (start > end) return -1;
        int found = last ? text.AsSpan(start, end - start).LastIndexOf(sub) : text.AsSpan(start, end - start).IndexOf(sub);
        return found < 0 ? -1 : PythonText.Length(text[..(start + found)]);
    }

    private static object Found(int position) => position < 0 ? throw TemplateFault.Value("substring not found") : new BigInteger(position);
}
