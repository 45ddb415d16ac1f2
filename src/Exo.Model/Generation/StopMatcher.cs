namespace Exo.Model.Generation;

/// <summary>
/// Finds stop strings in streamed text, across the borders of its pieces: the one that is complete first, and of those that are complete
/// at the same character the longest, so that the pieces do not matter. Text that may be the beginning of a stop string is held back until
/// it is known; a stop string is never given out, not even in part.
/// </summary>
public sealed class StopMatcher(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>True once a stop string has been found.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Takes the next piece; returns what can be given out for certain.</summary>
    public string Append(string text)
    {
        if (IsStopped) return "";
        if (stops.Count == 0) return text;
        string all = _held + text;
        int stopAt = -1, stopEnd = int.MaxValue;
        foreach (string stop in stops)
        {
            int found = all.IndexOf(stop, StringComparison.Ordinal), end = found + stop.Length;
            if (found < 0 || end > stopEnd || (end == stopEnd && found > stopAt)) continue;
            (stopAt, stopEnd) = (found, end);
        }
        if (stopAt >= 0)
        {
            IsStopped = true;
            _held = "";
            return all[..stopAt];
        }
        int keep = HeldLength(all);
        _held = all[^keep..];
        return all[..^keep];
    }

    /// <summary>The end of the text: what was held back is given out.</summary>
    public string Flush()
    {
        string rest = _held;
        _held = "";
        return rest;
    }

    /// <summary>Length of the longest end of the text that begins a stop string.</summary>
    private int HeldLength(string text)
    {
        int longest = 0;
        foreach (string stop in stops)
            for (int length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length))) longest = length;
        return longest;
    }
}
