using System.Text;

namespace Exo.Model.Text.Templates;

/// <summary>The few things that templates do with HTML.</summary>
internal static class Html
{
    /// <summary>markupsafe's escape.</summary>
    public static string Escape(string text)
    {
        if (!text.AsSpan().ContainsAny("&<>'\"")) return text;
        return new StringBuilder(text).Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("'", "&#39;")
            .Replace("\"", "&#34;").ToString();
    }

    /// <summary>Drops comments and tags, and makes one space of each run of white space.</summary>
    public static string StripTags(string text)
    {
        text = Drop(Drop(text, "<!--", "-->"), "<", ">");
        text = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return new StringBuilder(text).Replace("&lt;", "<").Replace("&gt;", ">").Replace("&quot;", "\"").Replace("&#39;", "'")
            .Replace("&#34;", "\"").Replace("&nbsp;", "\u00a0").Replace("&amp;", "&").ToString();
    }

    private static string Drop(string text, string open, string close)
    {
        var kept = new StringBuilder(text.Length);
        int at = 0;
        while (true)
        {
            int start = text.IndexOf(open, at, StringComparison.Ordinal);
            int end = start < 0 ? -1 : text.IndexOf(close, start, StringComparison.Ordinal);
            if (end < 0) return kept.Append(text, at, text.Length - at).ToString();
            kept.Append(text, at, start - at);
            at = end + close.Length;
        }
    }
}
