namespace Exo.Model.Text.Patterns;

/// <summary>
/// The sets that Hugging Face's tokenizers take from Rust's libraries instead of Oniguruma, each of another version of
/// Unicode (enumerated from the npm package tokenizers 0.23.2).
/// </summary>
internal static class RustSets
{
    /// <summary>The regex crate's \w: alphabetic, marks, decimal digits, connectors, joiners.</summary>
    public static readonly CodePointSet Word = UnicodeSets.Alphanumeric.Union(CodePointSet.Range(0x200C, 0x200D));

    /// <summary>char::is_numeric, which knows the digits of Unicode 17.</summary>
    public static readonly CodePointSet Number =
        UnicodeSets.Number.Union(CodePointSet.OfRanges([0x11DE0, 0x11DE9, 0x16FF4, 0x16FF6]));

    /// <summary>ASCII's punctuation and symbols, and what was punctuation in Unicode 8 (the unicode_categories crate).</summary>
    public static readonly CodePointSet Punctuation = CodePointSet.OfRanges(
        [0x21, 0x2F, 0x3A, 0x40, 0x5B, 0x60, 0x7B, 0x7E, 0x166D, 0x166D, 0x111C9, 0x111C9])
        .Union(UnicodeSets.Punctuation.Intersect(SinceUnicode8.Complement()));

    private static CodePointSet SinceUnicode8 => CodePointSet.OfRanges(
        [0x61D, 0x61D, 0x9FD, 0x9FD, 0xA76, 0xA76, 0xC77, 0xC77, 0xC84, 0xC84, 0x1B4E, 0x1B4F, 0x1B7D, 0x1B7F, 0x2E43,
         0x2E4F, 0x2E52, 0x2E5D, 0x10D6E, 0x10D6E, 0x10EAD, 0x10EAD, 0x10F55, 0x10F59, 0x10F86, 0x10F89, 0x113D4,
         0x113D5, 0x113D7, 0x113D8, 0x1144B, 0x1144F, 0x1145A, 0x1145B, 0x1145D, 0x1145D, 0x11660, 0x1166C, 0x116B9,
         0x116B9, 0x1183B, 0x1183B, 0x11944, 0x11946, 0x119E2, 0x119E2, 0x11A3F, 0x11A46, 0x11A9A, 0x11A9C, 0x11A9E,
         0x11AA2, 0x11B00, 0x11B09, 0x11BE1, 0x11BE1, 0x11C41, 0x11C45, 0x11C70, 0x11C71, 0x11EF7, 0x11EF8, 0x11F43,
         0x11F4F, 0x11FFF, 0x11FFF, 0x12FF1, 0x12FF2, 0x16D6D, 0x16D6F, 0x16E97, 0x16E9A, 0x16FE2, 0x16FE2, 0x1E5FF,
         0x1E5FF, 0x1E95E, 0x1E95F]);
}
