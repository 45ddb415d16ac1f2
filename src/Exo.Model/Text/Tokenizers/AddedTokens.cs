using System.Buffers;
using System.Text;
using Exo.Model.Text.Patterns;

namespace Exo.Model.Text;

/// <summary>A token beside the model's vocabulary, found in the text before anything else is done to it.</summary>
/// <param name="Content">The text that it is found by.</param>
/// <param name="SingleWord">Found only where no word character touches it.</param>
/// <param name="StripLeft">Takes the white space before it along.</param>
/// <param name="StripRight">Takes the white space behind it along.</param>
/// <param name="Normalized">Looked for in the normalized text, by its own normalized content.</param>
/// <param name="Special">Left out by <see cref="SpecialTokens.Skip"/>.</param>
internal sealed record AddedToken(
    int Id, string Content, bool SingleWord, bool StripLeft, bool StripRight, bool Normalized, bool Special);

/// <summary>
/// Finds added tokens in a text: at each position the longest, going on behind it, with the white space rules of Hugging
/// Face's added_vocabulary.rs. Holds a trie of the tokens' UTF-16 units.
/// </summary>
internal sealed class AddedTokenFinder
{
    private const int Root = 0;

    // A part of the text: an added token (Id), or text between (Id null).
    internal readonly record struct Part(int Start, int End, int? Id);

    private readonly Dictionary<(int Node, char Unit), int> _edges = [];
    private readonly List<AddedToken?> _tokenOfNode = [null];
    private readonly SearchValues<char> _firstUnits;

    /// <param name="tokens">Each token with the text to look for.</param>
    public AddedTokenFinder(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        foreach (var (text, token) in tokens.Where(static entry => entry.Text.Length > 0))
        {
            int node = Root;
            foreach (char unit in text)
            {
                if (!_edges.TryGetValue((node, unit), out int child))
                {
                    _edges[(node, unit)] = child = _tokenOfNode.Count;
                    _tokenOfNode.Add(null);
                }
                node = child;
            }
            _tokenOfNode[node] ??= token;
        }
        _firstUnits = SearchValues.Create([.. _edges.Keys.Where(static edge => edge.Node == Root).Select(static edge => edge.Unit)]);
    }

    /// <summary>Cuts the text into added tokens and what lies between; the parts may leave out white space that a token strips.</summary>
    public void Find(ReadOnlySpan<char> text, List<Part> parts)
    {
        int covered = 0;
        for (int position = 0; TryFindNext(text, ref position, out int end, out var token); position = end)
        {
            int start = position, stop = end;
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[stop..])))
                continue;
            if (token.StripLeft)
                start = Math.Max(StartOfTrailingSpace(text[..start]), covered);
            if (token.StripRight)
                stop += LengthOfLeadingSpace(text[stop..]);
            if (covered < start)
                parts.Add(new(covered, start, null));
            // Nothing is left of a token of white space that the one before has taken along.
            if (start < stop)
                parts.Add(new(start, stop, token.Id));
            covered = stop;
        }
        if (covered < text.Length)
            parts.Add(new(covered, text.Length, null));
    }

    private bool TryFindNext(ReadOnlySpan<char> text, ref int position, out int end, out AddedToken token)
    {
        for (; position < text.Length; position++)
        {
            int skipped = text[position..].IndexOfAny(_firstUnits);
            if (skipped < 0)
                break;
            position += skipped;
            AddedToken? longest = null;
            end = position;
            int node = Root;
            for (int i = position; i < text.Length && _edges.TryGetValue((node, text[i]), out node); i++)
            {
                if (_tokenOfNode[node] is not { } found)
                    continue;
                longest = found;
                end = i + 1;
            }
            if (longest is null)
                continue;
            token = longest;
            return true;
        }
        (end, token) = (0, null!);
        return false;
    }

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && RustSets.Word.Contains(rune.Value);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && RustSets.Word.Contains(rune.Value);

    // White space lies in the BMP, so units will do.
    private static int StartOfTrailingSpace(ReadOnlySpan<char> text)
    {
        int start = text.Length;
        while (start > 0 && char.IsWhiteSpace(text[start - 1]))
            start--;
        return start;
    }

    private static int LengthOfLeadingSpace(ReadOnlySpan<char> text)
    {
        int length = 0;
        while (length < text.Length && char.IsWhiteSpace(text[length]))
            length++;
        return length;
    }
}
