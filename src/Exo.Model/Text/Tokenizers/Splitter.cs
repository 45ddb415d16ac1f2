namespace Exo.Model.Text;

/// <summary>What becomes of the delimiters when a text is cut at them (names as in tokenizer.json).</summary>
internal enum SplitBehavior
{
    /// <summary>Delimiters are left out.</summary>
    Removed,

    /// <summary>Each delimiter is a piece of its own.</summary>
    Isolated,

    /// <summary>A delimiter belongs to the piece before it; a second in a row stands alone.</summary>
    MergedWithPrevious,

    /// <summary>A delimiter belongs to the piece behind it; of several in a row the last one.</summary>
    MergedWithNext,

    /// <summary>A run of delimiters is one piece.</summary>
    Contiguous,
}

/// <summary>Whether the delimiters are the matches of the pattern, or what lies between them.</summary>
internal enum MatchSide { Matched, Between }

/// <summary>Cuts pieces at delimiters; the rules are those of Hugging Face's NormalizedString::split.</summary>
internal static class Splitter
{
    private readonly record struct Part(int Start, int End, bool IsDelimiter);

    public static void Split(
        Piece piece, List<(int Start, int End)> matches, SplitBehavior behavior, MatchSide side, List<Piece> output)
    {
        var parts = new List<Part>(2 * matches.Count + 1);
        bool matched = side == MatchSide.Matched;
        int covered = 0;
        foreach (var (start, end) in matches)
        {
            if (covered < start)
                parts.Add(new(covered, start, !matched));
            parts.Add(new(start, end, matched));
            covered = end;
        }
        if (covered < piece.Length)
            parts.Add(new(covered, piece.Length, !matched));
        switch (behavior)
        {
            case SplitBehavior.Removed:
                parts.RemoveAll(static part => part.IsDelimiter);
                break;
            case SplitBehavior.MergedWithPrevious:
                parts = Join(parts, static (previousWasDelimiter, part) => part.IsDelimiter && !previousWasDelimiter);
                break;
            case SplitBehavior.Contiguous:
                parts = Join(parts, static (previousWasDelimiter, part) => part.IsDelimiter == previousWasDelimiter);
                break;
            case SplitBehavior.MergedWithNext:
                parts.Reverse();
                parts = Join(parts, static (previousWasDelimiter, part) => part.IsDelimiter && !previousWasDelimiter);
                parts.Reverse();
                break;
            case SplitBehavior.Isolated:
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(behavior), behavior, "not a split behavior");
        }
        foreach (var part in parts)
            if (part.Start < part.End)
                output.Add(piece.Slice(part.Start, part.End));
    }

    /// <summary>Joins a part to the one before it in the list where the rule says so; the list may run backwards.</summary>
    private static List<Part> Join(List<Part> parts, Func<bool, Part, bool> joins)
    {
        var joined = new List<Part>(parts.Count);
        bool previousWasDelimiter = false;
        foreach (var part in parts)
        {
            if (joined.Count > 0 && joins(previousWasDelimiter, part))
                joined[^1] = joined[^1] with { Start = Math.Min(joined[^1].Start, part.Start), End = Math.Max(joined[^1].End, part.End) };
            else
                joined.Add(part);
            previousWasDelimiter = part.IsDelimiter;
        }
        return joined;
    }
}
