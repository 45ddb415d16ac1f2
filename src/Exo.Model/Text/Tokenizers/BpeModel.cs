using System.Text;

namespace Exo.Model.Text;

/// <summary>What a BPE model does besides merging.</summary>
/// <param name="UnknownId">Id of the unknown token, or null: unknown characters are then dropped.</param>
/// <param name="FuseUnknown">A run of unknown characters becomes one unknown token.</param>
/// <param name="ByteFallback">An unknown character becomes its UTF-8 bytes as tokens &lt;0x00&gt; to &lt;0xFF&gt;, where all of them exist.</param>
/// <param name="IgnoreMerges">A piece that is a token as a whole is that token, whatever the merges say.</param>
/// <param name="ContinuingPrefix">Written before every character of a piece but the first.</param>
/// <param name="EndOfWordSuffix">Written behind the last character of a piece.</param>
internal sealed record BpeOptions(
    int? UnknownId, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges, string ContinuingPrefix, string EndOfWordSuffix);

/// <summary>
/// Byte pair encoding: a piece is cut into characters, then the adjacent pair with the lowest rank is merged, leftmost first,
/// until no pair is in the list of merges (Sennrich et al. 2016). O(n log n) for a piece of n characters.
/// </summary>
internal sealed class BpeModel
{
    private readonly Dictionary<string, int> _idOfToken;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly Dictionary<ulong, BpeMerge> _merges;
    private readonly int[] _byteIds;
    private readonly BpeOptions _options;

    /// <param name="idOfToken">The vocabulary, without added tokens; owned by the model from here on.</param>
    /// <param name="merges">By pair (see <see cref="BpeMerge.Key"/>), rank and merged id.</param>
    public BpeModel(Dictionary<string, int> idOfToken, Dictionary<ulong, BpeMerge> merges, BpeOptions options)
    {
        _idOfToken = idOfToken;
        _lookup = idOfToken.GetAlternateLookup<ReadOnlySpan<char>>();
        _merges = merges;
        _options = options;
        _byteIds = [.. Enumerable.Range(0, 256).Select(value => idOfToken.GetValueOrDefault($"<0x{value:X2}>", -1))];
    }

    public IReadOnlyDictionary<string, int> Vocabulary => _idOfToken;

    /// <summary>Appends the ids of one piece.</summary>
    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (_options.IgnoreMerges && _lookup.TryGetValue(piece, out int whole))
        {
            ids.Add(whole);
            return;
        }
        var symbols = new List<int>(piece.Length);
        Cut(piece, symbols);
        BpeMerger.Merge(symbols, _merges, ids);
    }

    /// <summary>The characters' ids, one per character that the vocabulary has.</summary>
    private void Cut(ReadOnlySpan<char> piece, List<int> symbols)
    {
        // An unknown token is held back while the run that it stands for may go on.
        bool unknownPending = false;
        for (int start = 0; start < piece.Length;)
        {
            Rune.DecodeFromUtf16(piece[start..], out _, out int length);
            var character = piece.Slice(start, length);
            bool known = TryFind(character, start == 0, start + length == piece.Length, out int id, out string? decorated);
            start += length;
            if (known)
            {
                if (unknownPending)
                    symbols.Add(_options.UnknownId!.Value);
                unknownPending = false;
                symbols.Add(id);
            }
            // Byte tokens do not end a run of unknown characters: Hugging Face's order, kept as it is.
            else if (!(_options.ByteFallback && TryAddBytes(decorated ?? character, symbols)) && _options.UnknownId is int unknown)
            {
                if (unknownPending && !_options.FuseUnknown)
                    symbols.Add(unknown);
                unknownPending = true;
            }
        }
        if (unknownPending)
            symbols.Add(_options.UnknownId!.Value);
    }

    private bool TryFind(ReadOnlySpan<char> character, bool isFirst, bool isLast, out int id, out string? decorated)
    {
        string prefix = isFirst ? "" : _options.ContinuingPrefix;
        string suffix = isLast ? _options.EndOfWordSuffix : "";
        decorated = prefix.Length + suffix.Length == 0 ? null : string.Concat(prefix, character, suffix);
        return _lookup.TryGetValue(decorated ?? character, out id);
    }

    private bool TryAddBytes(ReadOnlySpan<char> text, List<int> symbols)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        foreach (byte value in bytes)
            if (_byteIds[value] < 0)
                return false;
        foreach (byte value in bytes)
            symbols.Add(_byteIds[value]);
        return true;
    }
}
