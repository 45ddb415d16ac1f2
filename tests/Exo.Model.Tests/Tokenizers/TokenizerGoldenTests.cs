using System.Text.Json;
using Exo.Model.Text;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Tokenizers;

/// <summary>Every case that Hugging Face's implementation was asked, for a small tokenizer of each family.</summary>
public class TokenizerGoldenTests
{
    public static readonly string[] FamilyNames =
    [
        "deepseek-v3", "gemma", "gpt2", "llama2", "llama3", "mistral-metaspace", "o200k", "qwen2", "smollm2", "tekken",
    ];

    public static readonly TheoryData<string> Families = [.. FamilyNames];

    private const int NumCases = 245;

    [Theory]
    [MemberData(nameof(Families))]
    public void Ids_equal_the_reference(string family) => CheckAll(family, static (tokenizer, wanted) =>
        Assert.Equal(wanted.Ids, tokenizer.Encode(wanted.Text)));

    [Theory]
    [MemberData(nameof(Families))]
    public void Ids_with_special_tokens_equal_the_reference(string family) => CheckAll(family, static (tokenizer, wanted) =>
        Assert.Equal(wanted.IdsWithSpecial, tokenizer.Encode(wanted.Text, AddSpecialTokens.ByPostProcessor)));

    [Theory]
    [MemberData(nameof(Families))]
    public void Decoded_text_equals_the_reference(string family) => CheckAll(family, static (tokenizer, wanted) =>
        Assert.Equal(wanted.Decoded, tokenizer.Decode(wanted.Ids)));

    [Theory]
    [MemberData(nameof(Families))]
    public void Text_decoded_without_special_tokens_equals_the_reference(string family) =>
        CheckAll(family, static (tokenizer, wanted) =>
            Assert.Equal(wanted.DecodedSkipSpecial, tokenizer.Decode(wanted.IdsWithSpecial, SpecialTokens.Skip)));

    [SharedFact]
    public void The_default_models_tokenizer_equals_the_reference()
    {
        var tokenizer = Tokenizer.Load(SharedFolder.DefaultModel);
        foreach (var wanted in TokenizerCase.Read(SharedFolder.PathOf("golden", "smollm2", "tokenizer_cases.json")))
        {
            Assert.Equal(wanted.Ids, tokenizer.Encode(wanted.Text));
            Assert.Equal(wanted.IdsWithSpecial, tokenizer.Encode(wanted.Text, AddSpecialTokens.ByPostProcessor));
            Assert.Equal(wanted.Decoded, tokenizer.Decode(wanted.Ids));
            Assert.Equal(wanted.DecodedSkipSpecial, tokenizer.Decode(wanted.IdsWithSpecial, SpecialTokens.Skip));
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_token_is_found_by_its_id_and_back(string family)
    {
        var tokenizer = TokenizerCase.Load(family);
        Assert.True(tokenizer.VocabSize >= 1400);
        for (int id = 0; id < tokenizer.VocabSize; id++)
            Assert.Equal(id, tokenizer.IdOf(tokenizer.TokenOf(id)!));
        Assert.Null(tokenizer.TokenOf(tokenizer.VocabSize));
        Assert.Null(tokenizer.TokenOf(-1));
        Assert.Null(tokenizer.IdOf("no such token"));
        Assert.False(tokenizer.IsSpecial(tokenizer.VocabSize));
    }

    private static void CheckAll(string family, Action<Tokenizer, TokenizerCase> check)
    {
        var tokenizer = TokenizerCase.Load(family);
        var cases = TokenizerCase.Read(Path.Combine(SharedFolder.Golden, "tokenizers", family, "cases.json"));
        Assert.Equal(NumCases, cases.Length);
        foreach (var wanted in cases)
            check(tokenizer, wanted);
    }
}

/// <summary>One line of a cases.json.</summary>
public sealed record TokenizerCase(string Text, int[] Ids, int[] IdsWithSpecial, string Decoded, string DecodedSkipSpecial)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static TokenizerCase[] Read(string path) =>
        JsonSerializer.Deserialize<TokenizerCase[]>(File.ReadAllBytes(path), Options)!;

    public static Tokenizer Load(string family) => Tokenizer.Load(Path.Combine(SharedFolder.Golden, "tokenizers", family));
}
