using System.Text;

namespace Exo.Model.Text.Templates;

/// <summary>
/// The filter wordwrap: each line is cut at white space (and after hyphens inside words) so that none is longer than the width;
/// longer words are cut too, unless that is turned off. White space at the cuts is dropped.
/// </summary>
internal static class WordWrap
{
    public static string Wrap(RenderContext context, string text, int width, bool breakLongWords, string lineEnd, bool breakOnHyphens)
    {
        if (width <= 0) throw TemplateFault.Value($"invalid width {width} (must be > 0)");
        var result = new PaidText(context.Budget);
        List<object?> lines = PythonText.SplitLines(text, keepEnds: false);
        for (int i = 0; i < lines.Count; i++)
        {
            List<string> wrapped = WrapLine(context, (string)lines[i]!, width, breakLongWords, breakOnHyphens);
            context.Budget.Pay(wrapped.Count);
            result.Append(i > 0 ? lineEnd : "").Append(string.Join(lineEnd, wrapped));
        }

        return result.ToString();
    }

    private static List<string> WrapLine(RenderContext context, string line, int width, bool breakLongWords, bool breakOnHyphens)
    {
        var chunks = new Stack<string>(Chunks(line, breakOnHyphens).Reverse());
        var lines = new List<string>();
        while (chunks.Count > 0)
        {
            if (lines.Count > 0 && PythonText.TrimEnd(chunks.Peek()).IsEmpty) chunks.Pop();
            var current = new StringBuilder();
            int length = 0;
            while (chunks.Count > 0 && length + PythonText.Length(chunks.Peek()) <= width)
            {
                length += PythonText.Length(chunks.Peek());
                current.Append(chunks.Pop());
            }

            if (chunks.Count > 0 && PythonText.Length(chunks.Peek()) > width) BreakWord(context, chunks, current, width - length, breakLongWords, breakOnHyphens);
            string made = current.ToString();
            int last = LastChunkStart(made);
            if (PythonText.TrimEnd(made.AsSpan(last)).IsEmpty) made = made[..last];
            if (made.Length > 0) lines.Add(made);
        }

        return lines;
    }

    private static void BreakWord(RenderContext context, Stack<string> chunks, StringBuilder current, int space, bool breakLongWords, bool breakOnHyphens)
    {
        if (!breakLongWords)
        {
            if (current.Length == 0) current.Append(chunks.Pop());
            return;
        }

        string word = chunks.Pop();
        context.Budget.PayText(word.Length);
        int end = PythonText.IndexOfCodePoint(word, Math.Max(1, space));
        if (breakOnHyphens && word.Length > end)
        {
            int hyphen = word.LastIndexOf('-', Math.Max(0, end - 1));
            if (hyphen > 0 && word.AsSpan(0, hyphen).ContainsAnyExcept('-')) end = hyphen + 1;
        }

        current.Append(word, 0, end);
        chunks.Push(word[end..]);
    }

    private static int LastChunkStart(string text) => PythonText.TrimEnd(text).Length;

    private static IEnumerable<string> Chunks(string line, bool breakOnHyphens)
    {
        int start = 0;
        for (int i = 1; i <= line.Length; i++)
        {
            bool cuts = i == line.Length || PythonText.IsSpace(line[i]) != PythonText.IsSpace(line[i - 1])
                || (breakOnHyphens && line[i - 1] == '-' && i >= 3 && char.IsLetter(line[i]) && char.IsLetter(line[i - 2])
                    && char.IsLetterOrDigit(line[i - 3]));
            if (!cuts) continue;
            yield return line[start..i];
            start = i;
        }
    }
}
