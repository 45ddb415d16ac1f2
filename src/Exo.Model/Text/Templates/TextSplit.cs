namespace Exo.Model.Text.Templates;

/// <summary>str.split and its kin. A null separator means runs of white space.</summary>
internal static class TextSplit
{
    public static List<object?> Split(string text, string? separator, int limit)
    {
        var parts = new List<object?>();
        if (separator is null)
        {
            ReadOnlySpan<char> rest = PythonText.TrimStart(text);
            while (!rest.IsEmpty)
            {
                int end = limit == 0 ? -1 : IndexOfSpace(rest);
                if (end < 0)
                {
                    parts.Add(rest.ToString());
                    break;
                }

                parts.Add(rest[..end].ToString());
                rest = PythonText.TrimStart(rest[end..]);
                limit--;
            }

            return parts;
        }

        if (separator.Length == 0) throw TemplateFault.Value("empty separator");
        int at = 0;
        for (int next; limit-- != 0 && (next = text.IndexOf(separator, at, StringComparison.Ordinal)) >= 0; at = next + separator.Length)
            parts.Add(text[at..next]);
        parts.Add(text[at..]);
        return parts;
    }

    public static List<object?> SplitFromEnd(string text, string? separator, int limit)
    {
        if (limit < 0) return Split(text, separator, limit);
        var parts = new List<object?>();
        if (separator is null)
        {
            ReadOnlySpan<char> rest = PythonText.TrimEnd(text);
            while (!rest.IsEmpty)
            {
                int start = limit-- == 0 ? 0 : LastIndexOfSpace(rest) + 1;
                parts.Add(rest[start..].ToString());
                if (start == 0) break;
                rest = PythonText.TrimEnd(rest[..start]);
            }
        }
        else
        {
            if (separator.Length == 0) throw TemplateFault.Value("empty separator");
            ReadOnlySpan<char> rest = text;
            for (int at; limit-- != 0 && (at = rest.LastIndexOf(separator)) >= 0; rest = rest[..at]) parts.Add(rest[(at + separator.Length)..].ToString());
            parts.Add(rest.ToString());
        }

        parts.Reverse();
        return parts;
    }

    public static TupleValue Partition(string text, string separator, bool last)
    {
        if (separator.Length == 0) throw TemplateFault.Value("empty separator");
        int at = last ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        if (at < 0) return last ? new TupleValue(["", "", text]) : new TupleValue([text, "", ""]);
        return new TupleValue([text[..at], separator, text[(at + separator.Length)..]]);
    }

    private static int IndexOfSpace(ReadOnlySpan<char> text)
    {
        for (int i = 0; i < text.Length; i++)
            if (PythonText.IsSpace(text[i])) return i;
        return -1;
    }

    private static int LastIndexOfSpace(ReadOnlySpan<char> text)
    {
        for (int i = text.Length - 1; i >= 0; i--)
            if (PythonText.IsSpace(text[i])) return i;
        return -1;
    }
}
