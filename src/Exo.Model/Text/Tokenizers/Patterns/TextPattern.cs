using System.Text;

namespace Exo.Model.Text.Patterns;

/// <summary>What a tokenizer file calls a pattern: a string to be found as it is, or a regular expression.</summary>
internal sealed class TextPattern
{
    private readonly string? _literal;
    private readonly CodePointRegex? _regex;

    private TextPattern(string? literal, CodePointRegex? regex) => (_literal, _regex) = (literal, regex);

    public static TextPattern Literal(string text) => new(text, null);

    /// <exception cref="PatternException">The pattern is damaged or uses what is not supported.</exception>
    public static TextPattern Regex(string pattern) => new(null, new CodePointRegex(pattern));

    /// <summary>Appends start and end of every match, ascending and apart.</summary>
    public void FindMatches(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        if (_regex is not null)
        {
            _regex.FindMatches(text, matches);
            return;
        }
        for (int start = 0; _literal!.Length > 0;)
        {
            int found = text[start..].IndexOf(_literal, StringComparison.Ordinal);
            if (found < 0)
                return;
            matches.Add((start + found, start + found + _literal.Length));
            start += found + _literal.Length;
        }
    }

    /// <param name="startGone">Whether the text's first character was removed and nothing stands in its place.</param>
    public string Replace(string text, string content, out bool startGone)
    {
        var matches = new List<(int Start, int End)>();
        FindMatches(text, matches);
        startGone = content.Length == 0 && matches.Count > 0 && matches[0].Start == 0 && matches[0].End > 0;
        if (matches.Count == 0)
            return text;
        var output = new StringBuilder(text.Length);
        int copied = 0;
        foreach (var (start, end) in matches)
        {
            output.Append(text, copied, start - copied).Append(content);
            copied = end;
        }
        return output.Append(text, copied, text.Length - copied).ToString();
    }
}
