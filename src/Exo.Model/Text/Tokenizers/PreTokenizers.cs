using System.Text;
using Exo.Model.Text.Patterns;

namespace Exo.Model.Text;

/// <summary>A part of a text, never merged with its neighbours.</summary>
/// <param name="AtStart">Its first character comes from the beginning of the caller's text.</param>
internal readonly record struct Piece(string Text, int Start, int Length, bool AtStart)
{
    public ReadOnlySpan<char> Span => Text.AsSpan(Start, Length);

    public string Whole => Start == 0 && Length == Text.Length ? Text : Text.Substring(Start, Length);

    public Piece Slice(int start, int end) => new(Text, Start + start, end - start, AtStart && start == 0);

    public static Piece Of(string text, bool atStart) => new(text, 0, text.Length, atStart);
}

/// <summary>A step that cuts a text into the pieces that the model then encodes one by one. Empty pieces never come out.</summary>
internal abstract class PreTokenizer
{
    public abstract void Cut(Piece piece, List<Piece> output);

    /// <summary>The text stays whole.</summary>
    public static readonly PreTokenizer None = new SequencePreTokenizer([]);
}

internal sealed class SequencePreTokenizer(PreTokenizer[] steps) : PreTokenizer
{
    public override void Cut(Piece piece, List<Piece> output)
    {
        List<Piece> pieces = [piece], next = [];
        foreach (var step in steps)
        {
            foreach (var part in pieces)
                step.Cut(part, next);
            (pieces, next) = (next, pieces);
            next.Clear();
        }
        output.AddRange(pieces);
    }
}

/// <summary>Cuts at the matches of a pattern, or between them.</summary>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, MatchSide side) : PreTokenizer
{
    public override void Cut(Piece piece, List<Piece> output)
    {
        var matches = new List<(int Start, int End)>();
        pattern.FindMatches(piece.Span, matches);
        Splitter.Split(piece, matches, behavior, side, output);
    }
}

/// <summary>Cuts at the characters of a set, one match each.</summary>
internal sealed class CharacterPreTokenizer(CodePointSet set, SplitBehavior behavior) : PreTokenizer
{
    public override void Cut(Piece piece, List<Piece> output)
    {
        var matches = new List<(int Start, int End)>();
        var text = piece.Span;
        for (int i = 0; i < text.Length;)
        {
            Rune.DecodeFromUtf16(text[i..], out var rune, out int length);
            if (set.Contains(rune.Value))
                matches.Add((i, i + length));
            i += length;
        }
        Splitter.Split(piece, matches, behavior, MatchSide.Matched, output);
    }
}

/// <summary>
/// Writes the text in <see cref="ByteAlphabet"/>, cut before that by GPT-2's pattern if so configured
/// (openai/gpt-2, encoder.py).
/// </summary>
internal sealed class ByteLevelPreTokenizer(ByteLevelPreTokenizer.Cutting cutting, ByteLevelPreTokenizer.Prefix prefix) : PreTokenizer
{
    internal enum Cutting { None, Gpt2 }

    internal enum Prefix { None, Space }

    private static readonly Lazy<TextPattern> Gpt2Pattern = new(static () => TextPattern.Regex(
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"));

    public override void Cut(Piece piece, List<Piece> output)
    {
        if (prefix == Prefix.Space && !piece.Span.StartsWith(' '))
            piece = Piece.Of(string.Concat(" ", piece.Span), piece.AtStart);
        int first = output.Count;
        if (cutting == Cutting.None)
        {
            output.Add(piece);
        }
        else
        {
            var matches = new List<(int Start, int End)>();
            Gpt2Pattern.Value.FindMatches(piece.Span, matches);
            Splitter.Split(piece, matches, SplitBehavior.Isolated, MatchSide.Matched, output);
        }
        for (int i = first; i < output.Count; i++)
            output[i] = Piece.Of(ByteAlphabet.Write(output[i].Span), output[i].AtStart);
    }
}

/// <summary>SentencePiece's way: spaces become a visible character, one more is put in front, and words begin with it.</summary>
internal sealed class MetaspacePreTokenizer(
    char replacement, MetaspacePreTokenizer.Prepend prepend, MetaspacePreTokenizer.Words words) : PreTokenizer
{
    /// <summary>Where the replacement is put in front: every text between added tokens, that at the very beginning, none.</summary>
    internal enum Prepend { Always, First, Never }

    internal enum Words { Together, Split }

    private readonly TextPattern _pattern = TextPattern.Literal(replacement.ToString());

    public override void Cut(Piece piece, List<Piece> output)
    {
        string text = piece.Whole.Replace(' ', replacement);
        bool wanted = prepend == Prepend.Always || (prepend == Prepend.First && piece.AtStart);
        if (wanted && !text.StartsWith(replacement))
            text = replacement + text;
        var whole = Piece.Of(text, piece.AtStart);
        if (words == Words.Together)
        {
            output.Add(whole);
            return;
        }
        var matches = new List<(int Start, int End)>();
        _pattern.FindMatches(text, matches);
        Splitter.Split(whole, matches, SplitBehavior.MergedWithNext, MatchSide.Matched, output);
    }
}
