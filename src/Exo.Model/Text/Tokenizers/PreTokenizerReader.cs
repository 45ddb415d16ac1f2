using Exo.Model.Text.Patterns;
using static Exo.Model.Text.MetaspacePreTokenizer;

namespace Exo.Model.Text;

/// <summary>Reads the "pre_tokenizer" of a tokenizer.json.</summary>
internal static class PreTokenizerReader
{
    public static PreTokenizer Read(JsonField field)
    {
        if (field.IsNull)
            return PreTokenizer.None;
        var type = field.Required("type");
        return type.String() switch
        {
            "Sequence" => new SequencePreTokenizer([.. field.Required("pretokenizers").Items().Select(Read)]),
            "Split" => new SplitPreTokenizer(PatternField.Read(field.Required("pattern")), ReadBehavior(field.Required("behavior")),
                field.Member("invert").Flag(false) ? MatchSide.Between : MatchSide.Matched),
            "ByteLevel" => new ByteLevelPreTokenizer(
                field.Member("use_regex").Flag(true) ? ByteLevelPreTokenizer.Cutting.Gpt2 : ByteLevelPreTokenizer.Cutting.None,
                field.Member("add_prefix_space").Flag(true) ? ByteLevelPreTokenizer.Prefix.Space : ByteLevelPreTokenizer.Prefix.None),
            "Digits" => new CharacterPreTokenizer(RustSets.Number,
                field.Member("individual_digits").Flag(false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
            "Punctuation" => new CharacterPreTokenizer(RustSets.Punctuation,
                field.Member("behavior").IsNull ? SplitBehavior.Isolated : ReadBehavior(field.Member("behavior"))),
            "Metaspace" => new MetaspacePreTokenizer(field.Required("replacement").Character(), ReadPrepend(field),
                field.Member("split").Flag(true) ? Words.Split : Words.Together),
            // Rust's \w+|[^\w\s]+, the rest left out: white space goes, and words part from what is neither.
            "Whitespace" => new SequencePreTokenizer([
                new CharacterPreTokenizer(UnicodeSets.WhiteSpace, SplitBehavior.Removed),
                new CharacterPreTokenizer(RustSets.Word, SplitBehavior.Contiguous)]),
            "WhitespaceSplit" => new CharacterPreTokenizer(UnicodeSets.WhiteSpace, SplitBehavior.Removed),
            "CharDelimiterSplit" => new CharacterPreTokenizer(
                CodePointSet.Of(field.Required("delimiter").Character()), SplitBehavior.Removed),
            var other => throw type.Refuse($"the pre-tokenizer {JsonField.Show(other)} is not supported"),
        };
    }

    /// <summary>Newer files say prepend_scheme, older ones add_prefix_space (true, the default, means always).</summary>
    public static Prepend ReadPrepend(JsonField field)
    {
        var scheme = field.Member("prepend_scheme");
        if (scheme.IsNull)
            return field.Member("add_prefix_space").Flag(true) ? Prepend.Always : Prepend.Never;
        return scheme.String() switch
        {
            "always" => Prepend.Always,
            "first" => Prepend.First,
            "never" => Prepend.Never,
            var other => throw scheme.Refuse($"expected always, first or never, got {JsonField.Show(other)}"),
        };
    }

    private static SplitBehavior ReadBehavior(JsonField field) => field.String() switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        var other => throw field.Refuse($"the split behavior {JsonField.Show(other)} is not known"),
    };
}
