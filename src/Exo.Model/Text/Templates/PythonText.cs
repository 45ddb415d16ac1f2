using System.Globalization;
using System.Text;

namespace Exo.Model.Text.Templates;

/// <summary>Python's view of text: code points, its white space, its escapes, its upper and lower case.</summary>
internal static class PythonText
{
    private static readonly string[] s_ascii = [.. Enumerable.Range(0, 128).Select(c => ((char)c).ToString())];

    /// <summary>What str.isspace and str.strip take for white space.</summary>
    public static bool IsSpace(char c) => c is >= '\x1c' and <= '\x1f' || char.IsWhiteSpace(c);

    public static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty && IsSpace(text[^1])) text = text[..^1];
        return text;
    }

    public static ReadOnlySpan<char> TrimStart(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty && IsSpace(text[0])) text = text[1..];
        return text;
    }

    /// <summary>Strips the code points in <paramref name="chars"/>, or white space where it is null.</summary>
    public static string Strip(string text, string? chars, bool start, bool end)
    {
        ReadOnlySpan<char> rest = text;
        if (chars is null)
        {
            if (start) rest = TrimStart(rest);
            return (end ? TrimEnd(rest) : rest).ToString();
        }

        var set = new HashSet<Rune>(chars.EnumerateRunes());
        while (start && !rest.IsEmpty && Rune.DecodeFromUtf16(rest, out Rune rune, out int used) >= 0 && set.Contains(rune)) rest = rest[used..];
        while (end && !rest.IsEmpty && Rune.DecodeLastFromUtf16(rest, out Rune rune, out int used) >= 0 && set.Contains(rune))
            rest = rest[..^used];
        return rest.ToString();
    }

    /// <summary>The number of code points.</summary>
    public static int Length(string text)
    {
        int length = text.Length;
        for (int i = 1; i < text.Length; i++)
            if (char.IsLowSurrogate(text[i]) && char.IsHighSurrogate(text[i - 1])) length--;
        return length;
    }

    /// <summary>One string for each code point.</summary>
    public static IEnumerable<string> CodePoints(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            int used = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? 2 : 1;
            yield return text[i] < s_ascii.Length ? s_ascii[text[i]] : text.Substring(i, used);
            i += used;
        }
    }

    /// <summary>The UTF-16 index of code point <paramref name="codePoint"/>, the text's length where it lies beyond the end.</summary>
    public static int IndexOfCodePoint(string text, int codePoint)
    {
        int at = 0;
        for (; codePoint > 0 && at < text.Length; codePoint--)
            at += char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]) ? 2 : 1;
        return at;
    }

    /// <summary>Order by code point, as Python compares (UTF-16 order differs beyond the BMP).</summary>
    public static int Compare(string a, string b)
    {
        int common = a.AsSpan().CommonPrefixLength(b);
        if (common == a.Length || common == b.Length) return a.Length.CompareTo(b.Length);
        char x = a[common], y = b[common];
        bool xIsHigh = char.IsSurrogate(x), yIsHigh = char.IsSurrogate(y);
        return xIsHigh == yIsHigh ? Math.Sign(x - y) : xIsHigh ? 1 : -1;
    }

    public static string Upper(string text)
    {
        if (!text.AsSpan().ContainsAny('ß', 'ŉ', 'ﬁ') && !text.AsSpan().ContainsAnyInRange('\ufb00', '\ufb06')) return text.ToUpperInvariant();
        var result = new StringBuilder(text.Length + 8);
        foreach (char c in text)
        {
            result.Append(c switch
            {
                'ß' => "SS",
                'ŉ' => "ʼN",
                '\ufb00' => "FF",
                '\ufb01' => "FI",
                '\ufb02' => "FL",
                '\ufb03' => "FFI",
                '\ufb04' => "FFL",
                '\ufb05' or '\ufb06' => "ST",
                _ => c.ToString(),
            });
        }

        return result.ToString().ToUpperInvariant();
    }

    public static string Lower(string text)
    {
        if (!text.AsSpan().ContainsAny('Σ', 'İ')) return text.ToLowerInvariant();
        var result = new StringBuilder(text.ToLowerInvariant().Replace("İ", "i\u0307", StringComparison.Ordinal));
        for (int i = 0; i < text.Length && result.Length == text.Length; i++)
        {
            bool ends = i + 1 == text.Length || !char.IsLetter(text[i + 1]);
            if (text[i] == 'Σ' && i > 0 && char.IsLetter(text[i - 1]) && ends) result[i] = 'ς';
        }

        return result.ToString();
    }

    public static string Capitalize(string text)
    {
        if (text.Length == 0) return text;
        int first = IndexOfCodePoint(text, 1);
        return TitleCase(text[..first]) + Lower(text[first..]);
    }

    /// <summary>str.title: the first letter of each run of letters in title case, the others in lower case.</summary>
    public static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (string point in CodePoints(text))
        {
            bool cased = IsCased(Rune.TryGetRuneAt(point, 0, out Rune rune) ? rune : Rune.ReplacementChar);
            result.Append(!cased ? point : inWord ? Lower(point) : TitleCase(point));
            inWord = cased;
        }

        return result.ToString();
    }

    /// <summary>Python's "cased": letters that have an upper, a lower or a title case form.</summary>
    public static bool IsCased(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter;

    private static string TitleCase(string point)
    {
        string upper = Upper(point);
        return upper.Length > point.Length ? upper[..1] + Lower(upper[1..]) : upper;
    }

    /// <summary>str.splitlines: the lines without their ends (or with them).</summary>
    public static List<object?> SplitLines(string text, bool keepEnds)
    {
        var lines = new List<object?>();
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && !IsLineEnd(text[end])) end++;
            int next = end;
            if (next < text.Length) next += text[next] == '\r' && next + 1 < text.Length && text[next + 1] == '\n' ? 2 : 1;
            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }

        return lines;
    }

    private static bool IsLineEnd(char c) => c is '\n' or '\r' or '\v' or '\f' or >= '\x1c' and <= '\x1e' or '\x85' or '\u2028' or '\u2029';

    /// <summary>What stands between a string's quotes, as Python reads its escapes; null where one is cut short.</summary>
    public static string? Unescape(ReadOnlySpan<char> text)
    {
        if (!text.Contains('\\')) return text.ToString();
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }

            if (++i >= text.Length) return null;
            int used = AppendEscape(result, text[i..]);
            if (used == 0) return null;
            i += used - 1;
        }

        return result.ToString();
    }

    /// <summary>Appends the character that the escape at the start of <paramref name="text"/> (without its backslash) means.</summary>
    /// <returns>The characters used; 0 where the escape is malformed.</returns>
    private static int AppendEscape(StringBuilder result, ReadOnlySpan<char> text)
    {
        const string Letters = "\\'\"abfnrtv", Meanings = "\\'\"\a\b\f\n\r\t\v";
        char c = text[0];
        int letter = Letters.IndexOf(c, StringComparison.Ordinal);
        if (letter >= 0)
        {
            result.Append(Meanings[letter]);
            return 1;
        }

        if (c == '\n') return 1;
        if (c is >= '0' and <= '7')
        {
            int used = 0, value = 0;
            for (; used < 3 && used < text.Length && text[used] is >= '0' and <= '7'; used++) value = value * 8 + (text[used] - '0');
            result.Append((char)value);
            return used;
        }

        int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits == 0)
        {
            if (c == 'N') return 0;
            result.Append('\\').Append(c);
            return 1;
        }

        if (text.Length <= digits) return 0;
        if (!uint.TryParse(text.Slice(1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint point)) return 0;
        if (point > 0x10ffff) return 0;
        if (point < 0x10000) result.Append((char)point);
        else result.Append(char.ConvertFromUtf32((int)point));
        return 1 + digits;
    }
}
