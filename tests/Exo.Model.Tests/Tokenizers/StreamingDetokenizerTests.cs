using System.Text;
using Exo.Model.Text;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Tokenizers;

public class StreamingDetokenizerTests
{
    private static readonly Dictionary<string, Tokenizer> Loaded =
        TokenizerGoldenTests.FamilyNames.ToDictionary(static family => family, TokenizerCase.Load);

    [Property(MaxTest = 300)]
    public void Streamed_text_equals_the_decoded_whole_for_any_ids(int[] numbers)
    {
        foreach (var (family, tokenizer) in Loaded)
        {
            // Two more than there are, so that ids without a token occur; every fourth one a byte token or a short one.
            int[] ids = [.. numbers.Select((number, i) => (int)((uint)(number * 7919) % (i % 4 == 0 ? 262u : (uint)tokenizer.VocabSize + 2)))];
            foreach (var special in new[] { SpecialTokens.Keep, SpecialTokens.Skip })
                Assert.Equal((family, tokenizer.Decode(ids, special)), (family, string.Concat(Stream(tokenizer, ids, special))));
        }
    }

    [Theory]
    [MemberData(nameof(TokenizerGoldenTests.Families), MemberType = typeof(TokenizerGoldenTests))]
    public void No_piece_holds_half_a_character(string family)
    {
        var tokenizer = TokenizerCase.Load(family);
        const string Text = "naïve 😀👨‍👩‍👧‍👦 𠀀𝒳 안녕 ﷺ é́";
        var pieces = Stream(tokenizer, tokenizer.Encode(Text), SpecialTokens.Skip).ToArray();
        Assert.Equal(Text, string.Concat(pieces));
        foreach (string piece in pieces)
        {
            Assert.DoesNotContain('\uFFFD', piece);
            Assert.False(piece.Length > 0 && (char.IsLowSurrogate(piece[0]) || char.IsHighSurrogate(piece[^1])));
        }
    }

    [Theory]
    [InlineData("llama3")]
    [InlineData("llama2")]
    [InlineData("gemma")]
    public void Plain_words_come_out_as_soon_as_their_token_does(string family)
    {
        var tokenizer = TokenizerCase.Load(family);
        int[] ids = tokenizer.Encode("plain words of ASCII");
        var detokenizer = tokenizer.CreateDetokenizer();
        var text = new StringBuilder();
        for (int i = 0; i < ids.Length; i++)
        {
            text.Append(detokenizer.Append(ids[i]));
            Assert.Equal(tokenizer.Decode(ids.AsSpan(0, i + 1), SpecialTokens.Skip), text.ToString());
        }
        Assert.Equal("", detokenizer.Flush());
    }

    [Fact]
    public void A_character_that_never_becomes_whole_is_flushed_as_replacement()
    {
        var tokenizer = TokenizerCase.Load("llama3");
        int[] ids = tokenizer.Encode("😀");
        Assert.True(ids.Length > 2);
        var detokenizer = tokenizer.CreateDetokenizer();
        foreach (int id in ids[..^1])
            Assert.Equal("", detokenizer.Append(id));
        Assert.Equal("\uFFFD", detokenizer.Flush());
        Assert.Throws<InvalidOperationException>(() => detokenizer.Append(0));
        Assert.Throws<InvalidOperationException>(detokenizer.Flush);
    }

    private static IEnumerable<string> Stream(Tokenizer tokenizer, int[] ids, SpecialTokens special)
    {
        var detokenizer = tokenizer.CreateDetokenizer(special);
        foreach (int id in ids)
            yield return detokenizer.Append(id);
        yield return detokenizer.Flush();
    }
}
