using Exo.Model.Text;
using Xunit;

namespace Exo.Model.Tests.Tokenizers;

public class UnicodeNormalizationTests
{
    // Input, NFC, NFD, NFKC, NFKD: rows of Unicode's NormalizationTest.txt and one of each kind of mapping.
    [Theory]
    [InlineData("\u1E0A\u0323", "\u1E0C\u0307", "D\u0323\u0307", "\u1E0C\u0307", "D\u0323\u0307")]
    [InlineData("\uAC01", "\uAC01", "\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8")]
    [InlineData("\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8")]
    [InlineData("\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A")]
    [InlineData("\uFB01\u00BD", "\uFB01\u00BD", "\uFB01\u00BD", "fi1\u20442", "fi1\u20442")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C")]
    [InlineData("a\u0315\u0300\u05AE\u0062", "\u00E0\u05AE\u0315b", "a\u05AE\u0300\u0315b", "\u00E0\u05AE\u0315b", "a\u05AE\u0300\u0315b")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    [InlineData("plain", "plain", "plain", "plain", "plain")]
    public void Forms_equal_the_standard(string text, string nfc, string nfd, string nfkc, string nfkd)
    {
        UnicodeForm[] forms = [UnicodeForm.Nfc, UnicodeForm.Nfd, UnicodeForm.Nfkc, UnicodeForm.Nfkd];
        Assert.Equal([nfc, nfd, nfkc, nfkd], forms.Select(form => UnicodeNormalization.Apply(text, form)));
        // Normalizing twice changes nothing.
        Assert.Equal([nfc, nfd, nfkc, nfkd], forms.Select(form => UnicodeNormalization.Apply(UnicodeNormalization.Apply(text, form), form)));
    }

    [Fact]
    public void A_megabyte_of_marks_is_ordered_in_linear_time()
    {
        string marks = "e" + new string('\u0301', 1 << 19) + new string('\u0316', 1 << 19);
        string ordered = UnicodeNormalization.Apply(marks, UnicodeForm.Nfd);
        Assert.Equal("e" + new string('\u0316', 1 << 19) + new string('\u0301', 1 << 19), ordered);
    }
}
