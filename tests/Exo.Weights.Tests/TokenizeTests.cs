using System.Text.Json;
using Exo.Model.Text;
using Exo.Testing;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class TokenizeTests
{
    [SharedFact]
    public void The_bundled_tokenizer_answers_every_golden_case()
    {
        Tokenizer tokenizer = Tokenizer.Load(SharedFolder.DefaultModel);
        using var cases = JsonDocument.Parse(File.ReadAllText(SharedFolder.PathOf("golden", "smollm2", "tokenizer_cases.json")));
        foreach (JsonElement golden in cases.RootElement.EnumerateArray())
        {
            string text = golden.GetProperty("text").GetString()!;
            int[] ids = Ids(golden.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(Ids(golden.GetProperty("ids_with_special")), tokenizer.Encode(text, AddSpecialTokens.ByPostProcessor));
            Assert.Equal(golden.GetProperty("decoded").GetString(), tokenizer.Decode(ids));
            Assert.Equal(golden.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(ids, SpecialTokens.Skip));
        }
    }

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(i => i.GetInt32())];
}
