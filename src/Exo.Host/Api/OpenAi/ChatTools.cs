using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Host.Api.OpenAi;

/// <summary>The fields `tools` and `tool_choice`.</summary>
internal static class ChatTools
{
    private const int MaxTools = 128;

    /// <summary>The tools as a template reads them, or null where none may be used.</summary>
    public static JsonArray? Read(RequestBody body)
    {
        IReadOnlyList<JsonElement>? tools = body.List("tools");
        JsonElement? choice = body.Take("tool_choice");
        string kind = choice switch
        {
            null => "auto",
            { ValueKind: JsonValueKind.String } text => RequestBody.TextOf(text, "tool_choice"),
            _ => "a function by name",
        };
        if (kind is not ("auto" or "none")) throw ApiException.Unsupported("tool_choice", $"only auto and none are supported, got {kind}");
        if (tools is null || tools.Count == 0) return null;
        if (tools.Count > MaxTools) throw ApiException.Bad("tools", $"at most {MaxTools}", $"{tools.Count}");
        var output = new JsonArray();
        for (int i = 0; i < tools.Count; i++) output.Add(ReadTool(new RequestBody(tools[i], $"tools[{i}]")));
        return kind == "none" ? null : output;
    }

    private static JsonObject ReadTool(RequestBody tool)
    {
        if (tool.Text("type") is var type && type != "function") throw ApiException.Bad(tool.Path("type"), "function", type ?? "nothing");
        RequestBody function = tool.Object("function") ?? throw ApiException.Bad(tool.Path("function"), "an object", "nothing");
        tool.RefuseRest();
        string name = function.Text("name") ?? throw ApiException.Bad(function.Path("name"), "a string", "nothing");
        var output = new JsonObject { ["name"] = name };
        if (function.Text("description") is { } description) output["description"] = description;
        JsonElement? parameters = function.Take("parameters");
        if (parameters is { ValueKind: not JsonValueKind.Object } wrong) throw ApiException.Bad(function.Path("parameters"), "an object", wrong.GetRawText());
        output["parameters"] = parameters is { } schema ? RequestBody.NodeOf(schema) : new JsonObject();
        if (function.Flag("strict")) throw ApiException.Unsupported(function.Path("strict"), "arguments are not constrained to the schema");
        function.RefuseRest();
        return new JsonObject { ["type"] = "function", ["function"] = output };
    }
}
