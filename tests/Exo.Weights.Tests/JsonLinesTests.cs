using System.Text.Json;
using Exo.Model.Text;
using Exo.Testing;
using Exo.WeightsTools;
using Exo.WeightsTools.Commands;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class JsonLinesTests
{
    [Theory]
    [InlineData("1\n[2]\n\n\"é\"\n", "1\n[2]\n\"é\"\n")]
    [InlineData("", "")]
    [InlineData("\"no end of line\"", "\"no end of line\"\n")]
    public void Every_line_has_its_answer(string input, string expected)
    {
        using var output = new StringWriter { NewLine = "\n" };
        JsonLines.Answer(new StringReader(input), output, line => line.Clone());
        Assert.Equal(expected, output.ToString());
    }

    [Theory]
    [InlineData("\"a\"\n{\n", "line 2")]
    [InlineData("\"\\ud800\"\n", "line 1")]
    [InlineData("[1e40]\n", "line 1")]
    public void A_line_that_is_wrong_is_named(string input, string expected)
    {
        using var output = new StringWriter();
        var e = Assert.Throws<WeightsToolException>(() => JsonLines.Answer(
            new StringReader(input), output, line => line.ValueKind == JsonValueKind.Array ? line[0].GetInt32() : line.GetString()!));
        Assert.StartsWith(expected, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": true}""", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hi"}]}""", "<|im_start|>user\nHi<|im_end|>\n")]
    public void A_conversation_is_rendered(string line, string expectedEnd)
    {
        string answer = Render(line);
        Assert.EndsWith(expectedEnd, JsonDocument.Parse(answer).RootElement.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"messages": 5}""", "messages: expected Array, got Number")]
    [InlineData("{}", "messages: expected an array")]
    [InlineData("[]", "expected an object")]
    [InlineData("""{"messages": [], "add_generation_prompt": "yes"}""", "add_generation_prompt: expected True, got String")]
    [InlineData("""{"messages": [{"role": "user"}]}""", "content")]
    public void A_conversation_that_cannot_be_rendered_gives_an_error(string line, string expected)
    {
        Assert.Contains(expected, JsonDocument.Parse(Render(line)).RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    private static string Render(string line)
    {
        using var document = JsonDocument.Parse(line);
        return JsonSerializer.Serialize(RenderCommand.Render(ChatTemplate.Load(SharedFolder.DefaultModel)!, document.RootElement));
    }
}
