using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Exo.Model.Chat;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Chat;

public sealed class ToolCallParserTests
{
    private static readonly string[] _fragments =
    [
        "<tool_call>", "</tool_call>", "<tool_call>", "</tool_call>", """{"name": "add", "arguments": {"a": 1, "b": [2]}}""",
        """{"name": "now"}""", """{"name": "x", "arguments": 7}""", """{"name": 1}""", "{broken", "<", "</tool", "text ", "\n", "🌍",
    ];

    [Property(MaxTest = 2000)]
    public void Any_pieces_give_what_the_whole_text_gives_and_nothing_is_lost(int seed)
    {
        var random = new Random(seed);
        string text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => _fragments[random.Next(_fragments.Length)]));
        var expectedCalls = new List<string>();
        string expectedText = Regex.Replace(text, @"<tool_call>(.*?)(</tool_call>|\z)", TakeCall, RegexOptions.Singleline);

        var parser = new ToolCallParser();
        string output = "";
        for (int at = 0; at < text.Length;)
        {
            int length = Math.Min(random.Next(1, 9), text.Length - at);
            output += parser.Append(text.Substring(at, length));
            at += length;
        }
        output += parser.Flush();
        Assert.Equal(expectedText, output);
        Assert.Equal(expectedCalls, parser.Calls.Select(call => $"{call.Name} {call.Arguments.ToJsonString()}"));

        string TakeCall(Match match)
        {
            string json = match.Groups[1].Value.Trim();
            if (json is not ("""{"name": "now"}""" or """{"name": "add", "arguments": {"a": 1, "b": [2]}}""")) return match.Value;
            JsonNode call = JsonNode.Parse(json)!;
            expectedCalls.Add($"{call["name"]} {(call["arguments"] ?? new JsonObject()).ToJsonString()}");
            return "";
        }
    }

    [Theory]
    [InlineData("""{"name": "f", "arguments": {"a": 1, "a": 2}}""")]
    [InlineData("""{"name": "f", "name": "g"}""")]
    [InlineData("""{"name": "\ud800"}""")]
    [InlineData("""["name"]""")]
    [InlineData("")]
    public void What_is_no_valid_call_comes_out_as_text(string json)
    {
        var parser = new ToolCallParser();
        string text = $"<tool_call>{json}</tool_call>";
        Assert.Equal(text, parser.Append(text) + parser.Flush());
        Assert.Empty(parser.Calls);
    }
}
