using Exo.Model.Text.Patterns;

namespace Exo.Model.Text;

/// <summary>Reads the "normalizer" of a tokenizer.json.</summary>
internal static class NormalizerReader
{
    public static Normalizer Read(JsonField field)
    {
        if (field.IsNull)
            return Normalizer.None;
        var type = field.Required("type");
        return type.String() switch
        {
            "Sequence" => new SequenceNormalizer([.. field.Required("normalizers").Items().Select(Read)]),
            "NFC" => MapNormalizer.Form(UnicodeForm.Nfc),
            "NFD" => MapNormalizer.Form(UnicodeForm.Nfd),
            "NFKC" => MapNormalizer.Form(UnicodeForm.Nfkc),
            "NFKD" => MapNormalizer.Form(UnicodeForm.Nfkd),
            "Lowercase" => MapNormalizer.Lowercase(),
            "Prepend" => MapNormalizer.Prepend(field.Required("prepend").String()),
            "ByteLevel" => MapNormalizer.ByteLevel(),
            "Strip" => new StripNormalizer(field.Member("strip_left").Flag(true), field.Member("strip_right").Flag(true)),
            "Replace" => new ReplaceNormalizer(PatternField.Read(field.Required("pattern")), field.Required("content").String()),
            var other => throw type.Refuse($"the normalizer {JsonField.Show(other)} is not supported"),
        };
    }
}

/// <summary>Reads a "pattern": {"String": ...} or {"Regex": ...}.</summary>
internal static class PatternField
{
    public static TextPattern Read(JsonField field)
    {
        var literal = field.Member("String");
        if (!literal.IsNull)
            return TextPattern.Literal(literal.String());
        var regex = field.Required("Regex");
        try
        {
            return TextPattern.Regex(regex.String());
        }
        catch (PatternException cause)
        {
            throw regex.Refuse(cause.Message, cause);
        }
    }
}
