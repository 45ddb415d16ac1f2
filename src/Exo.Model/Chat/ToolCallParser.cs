using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Model.Chat;

/// <summary>A function that the model asks for.</summary>
public sealed record ToolCall(string Name, JsonObject Arguments);

/// <summary>
/// Finds the calls that a model writes between &lt;tool_call&gt; and &lt;/tool_call&gt; (the form that Qwen's, Hermes' and SmolLM's templates
/// ask for) in streamed text. Text outside is passed on as it comes; what is no valid call is passed on as text too, so nothing is lost.
/// </summary>
public sealed class ToolCallParser
{
    private const string Open = "<tool_call>";
    private const string Close = "</tool_call>";
    private readonly List<ToolCall> _calls = [];
    private string _held = "";
    private bool _isInside;

    /// <summary>Calls found so far.</summary>
    public IReadOnlyList<ToolCall> Calls => _calls;

    /// <summary>Takes the next piece; returns text that is no part of a call.</summary>
    public string Append(string text)
    {
        _held += text;
        string output = "";
        while (true)
        {
            string tag = _isInside ? Close : Open;
            int at = _held.IndexOf(tag, StringComparison.Ordinal);
            if (at < 0)
            {
                if (_isInside) return output;
                int keep = HeldLength(_held);
                output += _held[..^keep];
                _held = _held[^keep..];
                return output;
            }
            string before = _held[..at];
            _held = _held[(at + tag.Length)..];
            if (!_isInside) output += before;
            else if (Parse(before) is { } call) _calls.Add(call);
            else output += Open + before + Close;
            _isInside = !_isInside;
        }
    }

    /// <summary>The end of the text. Models may leave out the last closing tag.</summary>
    public string Flush()
    {
        string rest = _held;
        _held = "";
        if (!_isInside) return rest;
        _isInside = false;
        if (Parse(rest) is not { } call) return Open + rest;
        _calls.Add(call);
        return "";
    }

    private static int HeldLength(string text)
    {
        for (int length = Math.Min(Open.Length - 1, text.Length); length > 0; length--)
            if (text.AsSpan(text.Length - length).SequenceEqual(Open.AsSpan(0, length))) return length;
        return 0;
    }

    private static ToolCall? Parse(string json)
    {
        try
        {
            if (JsonNode.Parse(json) is not JsonObject call || call["name"] is not JsonValue value || !value.TryGetValue(out string? name)) return null;
            JsonNode? arguments = call["arguments"] ?? call["parameters"];
            return arguments switch
            {
                null => new ToolCall(name, []),
                JsonObject found when found.Count >= 0 => new ToolCall(name, (JsonObject)found.DeepClone()), // counting finds a key that is there twice
                _ => null,
            };
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            return null; // no JSON, a key twice, half a surrogate pair
        }
    }
}
