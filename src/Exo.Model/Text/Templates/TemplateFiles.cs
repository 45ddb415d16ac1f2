using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Model.Text.Templates;

/// <summary>Finds the chat template in a model's folder, as Hugging Face does.</summary>
internal static class TemplateFiles
{
    private const string TemplateFile = "chat_template.jinja", ConfigFile = "tokenizer_config.json";
    private const long MaxFileBytes = 64 << 20;

    private static readonly string[] s_tokens =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    public static ChatTemplate? Load(string folder, ChatTemplateLimits limits)
    {
        JsonObject config = ReadConfig(Path.Combine(folder, ConfigFile));
        JsonObject tokens = SpecialTokens(config);
        string file = Path.Combine(folder, TemplateFile);
        if (File.Exists(file))
        {
            string toolFile = Path.Combine(folder, "additional_chat_templates", "tool_use.jinja");
            ChatTemplate? forTools = File.Exists(toolFile) ? ChatTemplate.Create(Read(toolFile), toolFile, tokens, null, limits) : null;
            return ChatTemplate.Create(Read(file), file, tokens, forTools, limits);
        }

        string name = Path.Combine(folder, ConfigFile);
        return config["chat_template"] switch
        {
            null => null,
            JsonArray list => FromList(list, name, tokens, limits),
            JsonNode node => ChatTemplate.Create(TextOf(node, name, "chat_template"), name, tokens, null, limits),
        };
    }

    private static ChatTemplate FromList(JsonArray list, string file, JsonObject tokens, ChatTemplateLimits limits)
    {
        var sources = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonNode? entry in list)
        {
            if (entry is not JsonObject named) throw Bad(file, "chat_template: expected objects with name and template");
            sources[TextOf(named["name"], file, "chat_template.name")] = TextOf(named["template"], file, "chat_template.template");
        }

        ChatTemplate? forTools = sources.TryGetValue("tool_use", out string? source)
            ? ChatTemplate.Create(source, file + " (tool_use)", tokens, null, limits)
            : null;
        if (sources.TryGetValue("default", out source)) return ChatTemplate.Create(source, file + " (default)", tokens, forTools, limits);
        return forTools ?? throw Bad(file, $"chat_template: expected one named 'default', found '{string.Join("', '", sources.Keys)}'");
    }

    /// <summary>The special tokens as variables: texts, whether the file has them as texts or as objects with a content.</summary>
    private static JsonObject SpecialTokens(JsonObject config)
    {
        var tokens = new JsonObject();
        foreach (string name in s_tokens)
        {
            JsonNode? content = config[name] is JsonObject token ? token["content"] : config[name];
            if (content is JsonValue value && value.GetValueKind() == JsonValueKind.String) tokens[name] = value.ToString();
        }

        return tokens;
    }

    private static JsonObject ReadConfig(string file)
    {
        if (!File.Exists(file)) return [];
        try
        {
            return JsonNode.Parse(Read(file)) as JsonObject ?? throw Bad(file, "expected a JSON object");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new ChatTemplateException(ChatTemplateError.File, file, 0, $"not JSON: {e.Message}", e);
        }
    }

    private static string Read(string file)
    {
        try
        {
            long bytes = new FileInfo(file).Length;
            return bytes <= MaxFileBytes ? File.ReadAllText(file) : throw Bad(file, $"{bytes} bytes, at most {MaxFileBytes} are expected");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChatTemplateException(ChatTemplateError.File, file, 0, e.Message, e);
        }
    }

    private static string TextOf(JsonNode? node, string file, string field) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.String
            ? value.ToString()
            : throw Bad(file, $"{field}: expected a string, got {node?.GetValueKind().ToString() ?? "null"}");

    private static ChatTemplateException Bad(string file, string reason) => new(ChatTemplateError.File, file, 0, reason);
}
