using System.Text.RegularExpressions;
using Exo.Model.Text.Patterns;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Tokenizers;

public class PatternTests
{
    private static readonly string[] Patterns =
    [
        @"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", @"[a-c]{1,2}|\d+?x|(?<=b)c|(?<!a)b|(?=e)", @"(?>a+)b|\bx|y\B|[^\n]$",
    ];

    private static readonly (string Pattern, CodePointRegex Ours, Regex Theirs)[] Both =
        [.. Patterns.Select(static pattern => (pattern, new CodePointRegex(pattern), new Regex(pattern, RegexOptions.Multiline)))];

    [Property(MaxTest = 500)]
    public void Inside_the_bmp_matches_equal_dotnets(int[] numbers)
    {
        const string Alphabet = "aabbccxye 's't\n\t 123é中٣,.!\u0301";
        string text = new([.. numbers.Select(static number => Alphabet[(int)((uint)(number * 31) % Alphabet.Length)])]);
        foreach (var (pattern, ours, theirs) in Both)
        {
            var matches = new List<(int Start, int End)>();
            ours.FindMatches(text, matches);
            // An empty match directly behind another is left out, as Oniguruma's iterator does.
            var expected = new List<(int Start, int End)>();
            foreach (Match match in theirs.Matches(text))
                if (match.Length > 0 || expected.Count == 0 || expected[^1].End != match.Index)
                    expected.Add((match.Index, match.Index + match.Length));
            Assert.Equal((pattern, string.Join(' ', expected)), (pattern, string.Join(' ', matches)));
        }
    }

    [Theory]
    [InlineData(@"\p{L}+", "a𝒳𠀀b😀c", "0-6 8-9")]
    [InlineData(@"[^\s\p{L}]", "😀 𝒳👍", "0-2 5-7")]
    [InlineData(@"\p{Lu}", "𝒜𝒶𐐀𐐨", "0-2 4-6")]
    [InlineData(@"[😀-😅]+", "😀😄😡", "0-4")]
    [InlineData(@"\x{1F600}|\u4e2d", "😀中", "0-2 2-3")]
    [InlineData(@"[\p{Han}&&[^中]]+", "中文𠀀あ", "1-4")]
    [InlineData(@"(?i:k|'s)", "kK\u212A's'\u017F", "0-1 1-2 2-3 3-5 5-7")]
    [InlineData(@"(?i)σ", "Σσς", "0-1 1-2 2-3")]
    [InlineData(@"a{,2}b", "aaab b", "1-4 5-6")]
    [InlineData(@"a{x}", "a{x}", "0-4")]
    [InlineData(@"\h+", "xyz09aFg", "3-7")]
    [InlineData(@"(?<name>a)(b)", "ab", "0-2")]
    public void Beyond_dotnets_syntax_and_planes_matches_are_those_of_oniguruma(string pattern, string text, string expected)
    {
        var matches = new List<(int Start, int End)>();
        new CodePointRegex(pattern).FindMatches(text, matches);
        Assert.Equal(expected, string.Join(' ', matches.Select(static match => $"{match.Start}-{match.End}")));
    }

    [Theory]
    [InlineData("(")]
    [InlineData(")")]
    [InlineData("*a")]
    [InlineData("[a")]
    [InlineData("[z-a]")]
    [InlineData(@"\p{Klingon}")]
    [InlineData(@"\p")]
    [InlineData(@"(a)\1")]
    [InlineData("(?(1)a|b)")]
    [InlineData("a{3,2}")]
    [InlineData("a{999999}")]
    [InlineData(@"\x{110000}")]
    [InlineData(@"\")]
    public void A_damaged_or_unsupported_pattern_is_refused(string pattern) =>
        Assert.Throws<PatternException>(() => new CodePointRegex(pattern));

    [Fact]
    public void A_pattern_that_backtracks_without_end_is_stopped()
    {
        var regex = new CodePointRegex("(a|aa)+$", TimeSpan.FromMilliseconds(100));
        Assert.Throws<RegexMatchTimeoutException>(() => regex.FindMatches(new string('a', 5000) + "!", []));
    }

    [Fact]
    public void Sets_of_code_points_obey_the_laws_of_sets()
    {
        var letters = UnicodeSets.Property("L")!;
        var upper = UnicodeSets.Property("Lu")!;
        for (int codePoint = 0; codePoint < CodePointSet.End; codePoint += 37)
        {
            bool isLetter = letters.Contains(codePoint), isUpper = upper.Contains(codePoint);
            Assert.Equal(!isLetter, letters.Complement().Contains(codePoint));
            Assert.Equal(isLetter || isUpper, letters.Union(upper).Contains(codePoint));
            Assert.Equal(isLetter && !isUpper, letters.Intersect(upper.Complement()).Contains(codePoint));
        }
        Assert.True(CodePointSet.All.Complement().IsEmpty);
        Assert.True(CodePointSet.Range(0, 0x10FFFF).Complement().IsEmpty);
    }
}
