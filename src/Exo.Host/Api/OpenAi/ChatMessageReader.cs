using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Host.Api.OpenAi;

/// <summary>The field `messages`: OpenAI's messages in the form that chat templates read.</summary>
internal static class ChatMessageReader
{
    private const int MaxMessages = 4096;

    public static JsonArray Read(IReadOnlyList<JsonElement> messages)
    {
        if (messages.Count == 0) throw ApiException.Bad("messages", "at least one message", "none");
        if (messages.Count > MaxMessages) throw ApiException.Bad("messages", $"at most {MaxMessages} messages", $"{messages.Count}");
        var output = new JsonArray();
        for (int i = 0; i < messages.Count; i++) output.Add(ReadMessage(new RequestBody(messages[i], $"messages[{i}]")));
        return output;
    }

    private static JsonObject ReadMessage(RequestBody message)
    {
        string role = message.Text("role") ?? throw ApiException.Bad(message.Path("role"), "a string", "nothing");
        if (role is not ("system" or "developer" or "user" or "assistant" or "tool"))
            throw ApiException.Bad(message.Path("role"), "system, developer, user, assistant or tool", role);
        var output = new JsonObject { ["role"] = role == "developer" ? "system" : role };
        JsonElement? content = message.Take("content");
        IReadOnlyList<JsonElement>? calls = role == "assistant" ? message.List("tool_calls") : null;
        if (content is null && calls is null) throw ApiException.Bad(message.Path("content"), "text", "nothing");
        output["content"] = content is { } given ? ReadContent(given, message.Path("content")) : "";
        if (calls is { Count: > 0 })
        {
            var list = new JsonArray();
            for (int i = 0; i < calls.Count; i++) list.Add(ReadCall(new RequestBody(calls[i], $"{message.Path("tool_calls")}[{i}]")));
            output["tool_calls"] = list;
        }
        if (message.Text("name") is { } name) output["name"] = name;
        if (role == "tool")
            output["tool_call_id"] = message.Text("tool_call_id") ?? throw ApiException.Bad(message.Path("tool_call_id"), "a string", "nothing");
        if (role == "assistant" && message.Text("refusal") is { } refusal && content is null) output["content"] = refusal;
        if (role == "assistant" && message.List("annotations") is { Count: > 0 })
            throw ApiException.Unsupported(message.Path("annotations"), "annotations are not supported");
        message.RefuseRest();
        return output;
    }

    private static string ReadContent(JsonElement content, string path)
    {
        if (content.ValueKind == JsonValueKind.String) return RequestBody.TextOf(content, path);
        if (content.ValueKind != JsonValueKind.Array) throw ApiException.Bad(path, "a string or a list of parts", content.GetRawText());
        var texts = new List<string>();
        foreach (JsonElement item in content.EnumerateArray())
        {
            var part = new RequestBody(item, $"{path}[{texts.Count}]");
            string? type = part.Text("type");
            if (type != "text") throw ApiException.Unsupported(part.Path("type"), $"only parts of type text are supported, got {type}");
            texts.Add(part.Text("text") ?? throw ApiException.Bad(part.Path("text"), "a string", "nothing"));
            part.RefuseRest();
        }
        return string.Concat(texts);
    }

    private static JsonObject ReadCall(RequestBody call)
    {
        string id = call.Text("id") ?? throw ApiException.Bad(call.Path("id"), "a string", "nothing");
        if (call.Text("type") is var type && type is not ("function" or null)) throw ApiException.Bad(call.Path("type"), "function", type);
        RequestBody function = call.Object("function") ?? throw ApiException.Bad(call.Path("function"), "an object", "nothing");
        call.RefuseRest();
        string name = function.Text("name") ?? throw ApiException.Bad(function.Path("name"), "a string", "nothing");
        string arguments = function.Text("arguments") ?? "{}";
        function.RefuseRest();
        return new JsonObject
        {
            ["id"] = id,
            ["type"] = "function",
            ["function"] = new JsonObject { ["name"] = name, ["arguments"] = ParseArguments(arguments) },
        };
    }

    /// <summary>Arguments come as JSON in a string; templates want the object. What is no JSON stays a string.</summary>
    private static JsonNode ParseArguments(string arguments)
    {
        try
        {
            return RequestBody.NodeOf(StrictJson.Parse(Encoding.UTF8.GetBytes(arguments))) ?? JsonValue.Create(arguments);
        }
        catch (JsonException)
        {
            return JsonValue.Create(arguments);
        }
    }
}
