using System.Globalization;
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

    public static MapNormalizer Lowercase() => new(static text => MapRunes(text, static (rune, output) =>
    {
        // The one character whose lower case is two, whatever surrounds it (SpecialCasing.txt).
        if (rune.Value == 0x130)
            output.Append("i\u0307");
        else
            output.Append(Rune.ToLowerInvariant(rune).ToString());
    }));

    public static MapNormalizer ByteLevel() => new(static text => ByteAlphabet.Write(text));

    private static string MapRunes(string text, Action<Rune, StringBuilder> map)
    {
        var output = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            map(rune, output);
        return output.ToString();
    }
}

/// <summary>Removes combining marks (meant to follow a decomposition).</summary>
internal sealed class StripAccentsNormalizer : Normalizer
{
    public override NormalizedText Apply(NormalizedText input)
    {
        var output = new StringBuilder(input.Text.Length);
        bool isFirst = true, atStart = input.AtStart;
        foreach (var rune in input.Text.EnumerateRunes())
        {
            bool isMark = Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.EnclosingMark;
            if (isMark && isFirst)
                atStart = false;
            if (!isMark)
                output.Append(rune.ToString());
            isFirst = false;
        }
        return new(output.ToString(), atStart);
    }
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
