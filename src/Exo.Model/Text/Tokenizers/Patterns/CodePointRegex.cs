using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Exo.Model.Text.Patterns;

/// <summary>
/// A regular expression over code points. .NET's own sees UTF-16 units, so a letter beyond the BMP is two surrogates to it
/// and no \p{L}. Here the pattern's classes cut Unicode into the few sets whose members the pattern cannot tell apart, each
/// of these gets one stand-in character, and .NET's engine matches the stand-ins; offsets are mapped back.
/// </summary>
internal sealed class CodePointRegex
{
    private const char FirstStandIn = '\u0100';
    private const int MaxStandIns = 4096;

    // A backstop: patterns of real tokenizers are linear, but a file may bring any.
    private static readonly TimeSpan UsualMatchTimeout = TimeSpan.FromSeconds(20);

    private readonly Regex _regex;
    private readonly char[] _standInsOfBmp = new char[0x10000];
    private readonly int[] _cuts;
    private readonly char[] _standInOfCut;

    /// <param name="pattern">A pattern in Oniguruma's syntax.</param>
    /// <exception cref="PatternException">The pattern is damaged or uses what is not supported.</exception>
    public CodePointRegex(string pattern)
        : this(pattern, UsualMatchTimeout)
    {
    }

    /// <param name="pattern">A pattern in Oniguruma's syntax.</param>
    /// <param name="matchTimeout">How long the search for one match may take.</param>
    /// <exception cref="PatternException">The pattern is damaged or uses what is not supported.</exception>
    public CodePointRegex(string pattern, TimeSpan matchTimeout)
    {
        var parts = PatternReader.Read(pattern);
        var sets = parts.Select(static part => part.Set).OfType<CodePointSet>().Distinct().ToList();
        (_cuts, _standInOfCut, var membership) = Partition(pattern, sets);
        for (int i = 0; i < _cuts.Length && _cuts[i] < 0x10000; i++)
        {
            int end = Math.Min(0x10000, i + 1 < _cuts.Length ? _cuts[i + 1] : CodePointSet.End);
            _standInsOfBmp.AsSpan(_cuts[i], end - _cuts[i]).Fill(_standInOfCut[i]);
        }
        var classes = sets.Select((set, index) => (set, Write(membership, index))).ToDictionary();
        string translated = string.Concat(parts.Select(part => part.Set is null ? part.Syntax : classes[part.Set]));
        try
        {
            _regex = new Regex(translated, RegexOptions.CultureInvariant, matchTimeout);
        }
        catch (ArgumentException cause)
        {
            throw new PatternException(pattern, 0, $"not a regular expression ({cause.Message})");
        }
    }

    /// <summary>Appends start and end (UTF-16 units, relative to <paramref name="text"/>) of every match.</summary>
    /// <exception cref="RegexMatchTimeoutException">The pattern backtracks without end on this text.</exception>
    public void FindMatches(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        var standIns = new char[text.Length];
        int[]? starts = text.IndexOfAnyInRange('\uD800', '\uDFFF') >= 0 ? new int[text.Length + 1] : null;
        int count = starts is null ? Translate(text, standIns) : Translate(text, standIns, starts);
        int previousEnd = -1;
        foreach (var match in _regex.EnumerateMatches(standIns.AsSpan(0, count)))
        {
            int start = match.Index, end = match.Index + match.Length;
            // Oniguruma's iterator passes over an empty match where the one before it ended.
            if (start == end && start == previousEnd)
                continue;
            previousEnd = end;
            matches.Add(starts is null ? (start, end) : (starts[start], starts[end]));
        }
    }

    private int Translate(ReadOnlySpan<char> text, Span<char> standIns)
    {
        for (int i = 0; i < text.Length; i++)
            standIns[i] = _standInsOfBmp[text[i]];
        return text.Length;
    }

    private int Translate(ReadOnlySpan<char> text, Span<char> standIns, Span<int> starts)
    {
        int count = 0;
        for (int i = 0; i < text.Length; count++)
        {
            Rune.DecodeFromUtf16(text[i..], out var rune, out int length);
            starts[count] = i;
            standIns[count] = rune.IsBmp ? _standInsOfBmp[rune.Value] : StandInOf(rune.Value);
            i += length;
        }
        starts[count] = text.Length;
        return count;
    }

    private char StandInOf(int codePoint)
    {
        int index = Array.BinarySearch(_cuts, codePoint);
        return _standInOfCut[index >= 0 ? index : ~index - 1];
    }

    /// <summary>
    /// Cuts Unicode at every border of every set; code points with equal membership in all sets share a stand-in.
    /// Membership[s] tells for stand-in s which sets hold it.
    /// </summary>
    private static (int[] Cuts, char[] StandIns, List<bool[]> Membership) Partition(string pattern, List<CodePointSet> sets)
    {
        var borders = new SortedSet<int> { 0 };
        foreach (var set in sets)
            foreach (int border in set.Borders)
                borders.Add(border);
        int[] cuts = [.. borders];
        var standIns = new char[cuts.Length];
        var membership = new List<bool[]>();
        var known = new Dictionary<string, char>();
        var key = new char[sets.Count];
        for (int i = 0; i < cuts.Length; i++)
        {
            for (int s = 0; s < key.Length; s++)
                key[s] = sets[s].Contains(cuts[i]) ? '1' : '0';
            string members = new(key);
            if (!known.TryGetValue(members, out char standIn))
            {
                if (membership.Count == MaxStandIns)
                    throw new PatternException(pattern, 0, $"more than {MaxStandIns} distinct classes of characters");
                known[members] = standIn = (char)(FirstStandIn + membership.Count);
                membership.Add([.. members.Select(static c => c == '1')]);
            }
            standIns[i] = standIn;
        }
        return (cuts, standIns, membership);
    }

    private static string Write(List<bool[]> membership, int set)
    {
        var text = new StringBuilder("[");
        for (int s = 0; s < membership.Count; s++)
        {
            if (!membership[s][set])
                continue;
            int last = s;
            while (last + 1 < membership.Count && membership[last + 1][set])
                last++;
            text.Append(CultureInfo.InvariantCulture, $"\\u{FirstStandIn + s:X4}-\\u{FirstStandIn + last:X4}");
            s = last;
        }
        return text.Length == 1 ? "(?!)" : text.Append(']').ToString();
    }
}
