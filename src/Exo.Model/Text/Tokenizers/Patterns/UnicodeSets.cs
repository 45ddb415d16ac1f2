using System.Globalization;
using System.Text;

namespace Exo.Model.Text.Patterns;

/// <summary>The sets of code points that patterns name: general categories, scripts, white space, word characters.</summary>
internal static class UnicodeSets
{
    private static readonly Lazy<CodePointSet[]> Categories = new(ReadCategories);
    private static readonly Lazy<Dictionary<int, int[]>> CaseVariants = new(ReadCaseVariants);

    /// <summary>Unicode's White_Space property (PropList.txt): what \s and Rust's char::is_whitespace mean.</summary>
    public static readonly CodePointSet WhiteSpace = CodePointSet.OfRanges(
        [0x09, 0x0D, 0x20, 0x20, 0x85, 0x85, 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F,
         0x205F, 0x205F, 0x3000, 0x3000]);

    /// <summary>Unicode's script Han (Scripts.txt, version 16).</summary>
    private static readonly CodePointSet Han = CodePointSet.OfRanges(
        [0x2E80, 0x2E99, 0x2E9B, 0x2EF3, 0x2F00, 0x2FD5, 0x3005, 0x3005, 0x3007, 0x3007, 0x3021, 0x3029, 0x3038, 0x303B,
         0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xF900, 0xFA6D, 0xFA70, 0xFAD9, 0x16FE2, 0x16FE3, 0x16FF0, 0x16FF1,
         0x20000, 0x2A6DF, 0x2A700, 0x2B739, 0x2B740, 0x2B81D, 0x2B820, 0x2CEA1, 0x2CEB0, 0x2EBE0, 0x2EBF0, 0x2EE5D,
         0x2F800, 0x2FA1D, 0x30000, 0x3134A, 0x31350, 0x323AF]);

    public static readonly CodePointSet HexDigit = CodePointSet.OfRanges([0x30, 0x39, 0x41, 0x46, 0x61, 0x66]);

    public static CodePointSet Digit => Of(UnicodeCategory.DecimalDigitNumber);

    public static CodePointSet Number => Property("N")!;

    public static CodePointSet Punctuation => Property("P")!;

    /// <summary>Letters, marks, digits and letter numbers, connectors, and the circled letters that count as alphabetic.</summary>
    public static CodePointSet Alphanumeric => Property("L")!.Union(Property("M")!).Union(Digit)
        .Union(Of(UnicodeCategory.LetterNumber, UnicodeCategory.ConnectorPunctuation))
        .Union(CodePointSet.OfRanges([0x24B6, 0x24E9, 0x1F130, 0x1F149, 0x1F150, 0x1F169, 0x1F170, 0x1F189]));

    /// <summary>Oniguruma's \w, which counts Latin-1's raised digits and fractions too.</summary>
    public static readonly Lazy<CodePointSet> Word = new(static () =>
        Alphanumeric.Union(CodePointSet.OfRanges([0xB2, 0xB3, 0xB9, 0xB9, 0xBC, 0xBE])));

    /// <summary>The set that \p{NAME} means, or null where the name is not known. Case, spaces, '_' and '-' do not count.</summary>
    public static CodePointSet? Property(string name)
    {
        string key = new([.. name.Where(c => c is not (' ' or '_' or '-')).Select(char.ToLowerInvariant)]);
        return key switch
        {
            "any" => CodePointSet.All,
            "l" or "letter" => Of(UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter, UnicodeCategory.TitlecaseLetter,
                UnicodeCategory.ModifierLetter, UnicodeCategory.OtherLetter),
            "lc" or "casedletter" => Of(UnicodeCategory.UppercaseLetter, UnicodeCategory.LowercaseLetter,
                UnicodeCategory.TitlecaseLetter),
            "lu" or "uppercaseletter" => Of(UnicodeCategory.UppercaseLetter),
            "ll" or "lowercaseletter" => Of(UnicodeCategory.LowercaseLetter),
            "lt" or "titlecaseletter" => Of(UnicodeCategory.TitlecaseLetter),
            "lm" or "modifierletter" => Of(UnicodeCategory.ModifierLetter),
            "lo" or "otherletter" => Of(UnicodeCategory.OtherLetter),
            "m" or "mark" => Of(UnicodeCategory.NonSpacingMark, UnicodeCategory.SpacingCombiningMark, UnicodeCategory.EnclosingMark),
            "mn" => Of(UnicodeCategory.NonSpacingMark),
            "mc" => Of(UnicodeCategory.SpacingCombiningMark),
            "me" => Of(UnicodeCategory.EnclosingMark),
            "n" or "number" => Of(UnicodeCategory.DecimalDigitNumber, UnicodeCategory.LetterNumber, UnicodeCategory.OtherNumber),
            "nd" or "digit" => Of(UnicodeCategory.DecimalDigitNumber),
            "nl" => Of(UnicodeCategory.LetterNumber),
            "no" => Of(UnicodeCategory.OtherNumber),
            "p" or "punctuation" or "punct" => Of(UnicodeCategory.ConnectorPunctuation, UnicodeCategory.DashPunctuation,
                UnicodeCategory.OpenPunctuation, UnicodeCategory.ClosePunctuation, UnicodeCategory.InitialQuotePunctuation,
                UnicodeCategory.FinalQuotePunctuation, UnicodeCategory.OtherPunctuation),
            "pc" => Of(UnicodeCategory.ConnectorPunctuation),
            "pd" => Of(UnicodeCategory.DashPunctuation),
            "ps" => Of(UnicodeCategory.OpenPunctuation),
            "pe" => Of(UnicodeCategory.ClosePunctuation),
            "pi" => Of(UnicodeCategory.InitialQuotePunctuation),
            "pf" => Of(UnicodeCategory.FinalQuotePunctuation),
            "po" => Of(UnicodeCategory.OtherPunctuation),
            "s" or "symbol" => Of(UnicodeCategory.MathSymbol, UnicodeCategory.CurrencySymbol, UnicodeCategory.ModifierSymbol,
                UnicodeCategory.OtherSymbol),
            "sm" => Of(UnicodeCategory.MathSymbol),
            "sc" => Of(UnicodeCategory.CurrencySymbol),
            "sk" => Of(UnicodeCategory.ModifierSymbol),
            "so" => Of(UnicodeCategory.OtherSymbol),
            "z" or "separator" => Of(UnicodeCategory.SpaceSeparator, UnicodeCategory.LineSeparator, UnicodeCategory.ParagraphSeparator),
            "zs" => Of(UnicodeCategory.SpaceSeparator),
            "zl" => Of(UnicodeCategory.LineSeparator),
            "zp" => Of(UnicodeCategory.ParagraphSeparator),
            "c" or "other" => Of(UnicodeCategory.Control, UnicodeCategory.Format, UnicodeCategory.Surrogate,
                UnicodeCategory.PrivateUse, UnicodeCategory.OtherNotAssigned),
            "cc" or "control" => Of(UnicodeCategory.Control),
            "cf" => Of(UnicodeCategory.Format),
            "co" => Of(UnicodeCategory.PrivateUse),
            "cn" => Of(UnicodeCategory.OtherNotAssigned),
            "cs" => Of(UnicodeCategory.Surrogate),
            "han" or "script=han" or "sc=han" => Han,
            "space" or "whitespace" => WhiteSpace,
            _ => null,
        };
    }

    /// <summary>
    /// The set with every code point that differs from a member in case alone. Foldings to several characters (as of the
    /// German sharp s) are left out: no tokenizer's pattern has a literal that could meet one.
    /// </summary>
    public static CodePointSet IgnoreCase(CodePointSet set)
    {
        var result = set;
        foreach (var (codePoint, variants) in CaseVariants.Value)
        {
            if (!set.Contains(codePoint))
                continue;
            foreach (int variant in variants)
                result = result.Contains(variant) ? result : result.Union(CodePointSet.Of(variant));
        }
        return result;
    }

    private static CodePointSet Of(params ReadOnlySpan<UnicodeCategory> categories)
    {
        var set = CodePointSet.Empty;
        foreach (var category in categories)
            set = set.Union(Categories.Value[(int)category]);
        return set;
    }

    private static CodePointSet[] ReadCategories()
    {
        var borders = new List<int>[(int)UnicodeCategory.OtherNotAssigned + 1];
        for (int i = 0; i < borders.Length; i++)
            borders[i] = [];
        var current = (UnicodeCategory)(-1);
        for (int codePoint = 0; codePoint < CodePointSet.End; codePoint++)
        {
            // Planes 4 to 13 have never had a character, and planes 15 and 16 are private use throughout but for the last
            // two code points of each: skipping there keeps the first call at a millisecond or two.
            if (codePoint is 0x40100)
                codePoint = 0xE0000;
            var category = CharUnicodeInfo.GetUnicodeCategory(codePoint);
            if (category != current)
            {
                if ((int)current >= 0)
                    borders[(int)current].Add(codePoint);
                borders[(int)category].Add(codePoint);
                current = category;
            }
            if (codePoint is 0xF0100 or 0x100100)
                codePoint += 0xFE00;
        }
        return [.. borders.Select(static list => CodePointSet.OfBorders([.. list]))];
    }

    private static Dictionary<int, int[]> ReadCaseVariants()
    {
        var families = new Dictionary<int, List<int>>();
        for (int codePoint = 'A'; codePoint < 0x1F000; codePoint++)
        {
            if (codePoint is >= 0x2E80 and < 0xA640 or >= 0xAC00 and < 0xFB00 || !Rune.IsValid(codePoint))
                continue;
            int key = FoldKey(new Rune(codePoint));
            if (!families.TryGetValue(key, out var family))
                families[key] = family = [];
            family.Add(codePoint);
        }
        var variants = new Dictionary<int, int[]>();
        foreach (var family in families.Values.Where(static family => family.Count > 1))
            foreach (int member in family)
                variants[member] = [.. family.Where(other => other != member)];
        return variants;
    }

    // Pairs of Unicode's CaseFolding.txt that .NET's case mapping does not tell: the long s, the signs that are letters,
    // and letters whose upper case is several characters.
    private static int FoldKey(Rune rune) => rune.Value switch
    {
        0x017F => 'S',
        0x212A => 'K',
        0x212B => 0xC5,
        0x2126 => 0x3A9,
        0x1E9B => 0x1E60,
        0x1FD3 => 0x390,
        0x1FE3 => 0x3B0,
        0xFB06 => 0xFB05,
        _ => Rune.ToUpperInvariant(Rune.ToLowerInvariant(rune)).Value,
    };
}
