using System.Text;
using System.Text.Json.Nodes;
using Exo.Model.Text;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Tokenizers;

/// <summary>Files that are missing, damaged or ask for what is not supported: a typed error that names file and field.</summary>
public class TokenizerRefusalTests
{
    private static readonly byte[] Good = File.ReadAllBytes(Path.Combine(SharedFolder.Golden, "tokenizers", "llama3", "tokenizer.json"));

    [Theory]
    [InlineData("", "", "expected JSON")]
    [InlineData("{\"model\":", "", "expected JSON")]
    [InlineData("{} {}", "", "invalid after a single JSON value|more follows")]
    [InlineData("[]", "", "expected a JSON object, got Array")]
    [InlineData("{}", "model", "missing")]
    [InlineData("{\"model\":7}", "model", "expected an object")]
    [InlineData("{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "model.type", "expected the model BPE, got \"Unigram\"")]
    [InlineData("{\"model\":{\"type\":\"BPE\"}}", "model.vocab", "missing")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "model.vocab", "\"a\": expected an id")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4000000000},\"merges\":[]}}", "model.vocab", "\"a\": expected an id")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0.5},\"merges\":[]}}", "model.vocab", "\"a\": expected an id")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "model.vocab", "the id 0 is given to \"a\" and to \"b\"")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "model.vocab", "\"a\" appears twice")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\\ud800\":0},\"merges\":[]}}", "model.vocab", "half a surrogate pair")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "model.merges[0]", "got \"a\" and \"b\"")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", "model.merges[0]", "make a third")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a  a\"]}}", "model.merges[0]", "one space between")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", "model.merges[0]", "expected two tokens, got 1")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":{}}}", "model.merges", "expected an array")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[],\"dropout\":0.1}}", "model.dropout", "random")]
    public void A_damaged_file_is_refused_by_field(string json, string field, string problem)
    {
        var refusal = Assert.Throws<TokenizerException>(() => Tokenizer.Parse(Encoding.UTF8.GetBytes(json), "bad.json"));
        Assert.Equal(("bad.json", field), (refusal.File, refusal.Field));
        Assert.Contains(problem.Split('|'), part => refusal.Message.Contains(part, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("normalizer", "{\"type\":\"Precompiled\"}", "normalizer.type")]
    [InlineData("normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{}]}", "normalizer.normalizers[1].type")]
    [InlineData("normalizer", "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}", "normalizer.pattern.Regex")]
    [InlineData("pre_tokenizer", "{\"type\":\"Magic\"}", "pre_tokenizer.type")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a\"},\"behavior\":\"Isolated\"}", "pre_tokenizer.pattern.Regex")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Sideways\"}", "pre_tokenizer.behavior")]
    [InlineData("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "pre_tokenizer.replacement")]
    [InlineData("pre_tokenizer", "{\"type\":\"ByteLevel\",\"use_regex\":1}", "pre_tokenizer.use_regex")]
    [InlineData("decoder", "{\"type\":\"CTC\"}", "decoder.type")]
    [InlineData("decoder", "{\"type\":\"Strip\",\"content\":\" \",\"start\":-1,\"stop\":0}", "decoder.start")]
    [InlineData("post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}", "post_processor.single")]
    [InlineData("post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{}}",
        "post_processor.special_tokens.x")]
    [InlineData("added_tokens", "[{\"id\":1400,\"content\":\"\"}]", "added_tokens[0].content")]
    [InlineData("added_tokens", "[{\"id\":1400}]", "added_tokens[0].content")]
    [InlineData("added_tokens", "[{\"id\":7,\"content\":\"in\"}]", "added_tokens[0].id")]
    [InlineData("added_tokens", "[{\"id\":1400,\"content\":\"<x>\"},{\"id\":1400,\"content\":\"<y>\"}]", "added_tokens[1].id")]
    [InlineData("added_tokens", "[{\"id\":1400,\"content\":\"<x>\"},{\"id\":1401,\"content\":\"<x>\"}]", "added_tokens[1].id")]
    public void A_component_that_is_not_supported_is_refused_by_field(string member, string json, string field)
    {
        var file = JsonNode.Parse(Good)!;
        file[member] = JsonNode.Parse(json);
        var refusal = Assert.Throws<TokenizerException>(() => Tokenizer.Parse(Encoding.UTF8.GetBytes(file.ToJsonString()), "bad.json"));
        Assert.Equal(field, refusal.Field);
    }

    [Fact]
    public void A_missing_file_is_refused_by_name()
    {
        string path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        Assert.Contains(path, Assert.Throws<TokenizerException>(() => Tokenizer.Load(path)).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(path);
        try
        {
            string file = Path.Combine(path, "tokenizer.json");
            Assert.Equal(file, Assert.Throws<TokenizerException>(() => Tokenizer.Load(path)).File);
        }
        finally
        {
            Directory.Delete(path);
        }
    }

    [Fact]
    public void A_file_cut_or_changed_anywhere_is_read_or_refused_with_a_typed_error()
    {
        var random = new Random(1);
        int refused = 0;
        for (int round = 0; round < 150; round++)
        {
            byte[] bytes = round % 3 == 0 ? Good[..random.Next(Good.Length)] : (byte[])Good.Clone();
            for (int changes = random.Next(4); changes >= 0 && bytes.Length > 0; changes--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                Tokenizer.Parse(bytes, "changed").Encode("Hello <|eot_id|> 123");
            }
            catch (TokenizerException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 50, 150);
    }

    [Fact]
    public void A_pattern_nested_without_end_is_refused()
    {
        var file = JsonNode.Parse(Good)!;
        string deep = new string('(', 5000) + new string(')', 5000);
        file["pre_tokenizer"] = JsonNode.Parse($"{{\"type\":\"Split\",\"pattern\":{{\"Regex\":\"{deep}\"}},\"behavior\":\"Isolated\"}}");
        Assert.Contains("deeper", Assert.Throws<TokenizerException>(
            () => Tokenizer.Parse(Encoding.UTF8.GetBytes(file.ToJsonString()), "deep")).Message, StringComparison.Ordinal);
    }
}
