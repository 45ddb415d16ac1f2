using System.Text;
using Exo.Model.Text.Patterns;

namespace Exo.Model.Text;

/// <summary>
/// A text on its way to the pre-tokenizer. <paramref name="AtStart"/>: its first character comes from the beginning of the
/// caller's text, which is what Metaspace's "first" asks for.
/// </summary>
internal readonly record struct NormalizedText(string Text, bool AtStart);

/// <summary>A step that rewrites text between added tokens before it is cut into pieces.</summary>
internal abstract class Normalizer
{
    public abstract NormalizedText Apply(NormalizedText input);

    /// <summary>The unchanged text.</summary>
    public static readonly Normalizer None = new SequenceNormalizer([]);
}

internal sealed class SequenceNormalizer(Normalizer[] steps) : Normalizer
{
    public override NormalizedText Apply(NormalizedText input)
    {
        foreach (var step in steps)
            input = step.Apply(input);
        return input;
    }
}

/// <summary>A rewriting that keeps the text's beginning where it was: composition, case, an alphabet.</summary>
internal sealed class MapNormalizer(Func<string, string> map) : Normalizer
{
    public override NormalizedText Apply(NormalizedText input) => input with { Text = map(input.Text) };

    public static MapNormalizer Form(UnicodeForm form) => new(text => UnicodeNormalization.Apply(text, form));

    public static MapNormalizer Prepend(string prefix) => new(text => text.Length == 0 ? text : prefix + text);

    public static MapNormalizer Lowercase() => new(static text =>
    {
        var output = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            output.Append(LowercaseOf(rune));
        return output.ToString();
    });

    public static MapNormalizer ByteLevel() => new(static text => ByteAlphabet.Write(text));

    private static string LowercaseOf(Rune rune) => rune.Value switch
    {
        // The one character whose lower case is two, whatever surrounds it (SpecialCasing.txt).
        0x130 => "i\u0307",
        // Unicode 17's pairs, which the reference knows and .NET 10 does not.
        0xA7CE or 0xA7D2 or 0xA7D4 => new Rune(rune.Value + 1).ToString(),
        >= 0x16EA0 and <= 0x16EB8 => new Rune(rune.Value + 0x1B).ToString(),
        _ => Rune.ToLowerInvariant(rune).ToString(),
    };
}

/// <summary>Removes white space at one or both ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override NormalizedText Apply(NormalizedText input)
    {
        string text = right ? input.Text.TrimEnd() : input.Text;
        string stripped = left ? text.TrimStart() : text;
        return new(stripped, input.AtStart && stripped.Length == text.Length);
    }
}

/// <summary>Writes <paramref name="content"/> in place of every match.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : Normalizer
{
    public override NormalizedText Apply(NormalizedText input)
    {
        string text = pattern.Replace(input.Text, content, out bool startGone);
        return new(text, input.AtStart && !startGone);
    }
}
