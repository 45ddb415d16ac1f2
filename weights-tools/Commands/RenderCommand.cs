using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Model;
using Exo.Model.Text;

namespace Exo.WeightsTools.Commands;

/// <summary>
/// `exo-weights render MODEL`: a conversation a line in ({messages, tools, add_generation_prompt, variables}), the text that the
/// model's chat template makes of it a line out ({"text"}, or {"error"} where the template refuses).
/// </summary>
public static class RenderCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A folder, or the name of a bundled model." };
        var command = new Command("render", "Renders conversations with a model's chat template, a JSON object a line.") { model };
        command.SetBody(arguments =>
        {
            string folder = ModelLocator.Find(arguments.GetRequiredValue(model));
            ChatTemplate template = ChatTemplate.Load(folder) ?? throw new WeightsToolException($"{folder}: the model has no chat template");
            JsonLines.Answer(line => Render(template, line));
        });
        return command;
    }

    /// <summary>One line's answer.</summary>
    public static object Render(ChatTemplate template, JsonElement line)
    {
        try
        {
            JsonArray messages = Part(line, "messages", JsonValueKind.Array) is JsonElement m
                ? JsonArray.Create(m)!
                : throw new JsonException("messages: expected an array, got nothing");
            JsonArray? tools = Part(line, "tools", JsonValueKind.Array) is JsonElement t ? JsonArray.Create(t) : null;
            JsonObject? variables = Part(line, "variables", JsonValueKind.Object) is JsonElement v ? JsonObject.Create(v) : null;
            bool addGenerationPrompt = Part(line, "add_generation_prompt", JsonValueKind.True, JsonValueKind.False)?.GetBoolean() ?? false;
            return new { text = template.Render(messages, tools, addGenerationPrompt, variables) };
        }
        catch (Exception e) when (e is ChatTemplateException or JsonException)
        {
            return new { error = e.Message };
        }
    }

    private static JsonElement? Part(JsonElement line, string key, params ReadOnlySpan<JsonValueKind> kinds)
    {
        if (line.ValueKind != JsonValueKind.Object) throw new JsonException($"expected an object, got {line.ValueKind}");
        if (!line.TryGetProperty(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
        return kinds.Contains(value.ValueKind) ? value : throw new JsonException($"{key}: expected {kinds[0]}, got {value.ValueKind}");
    }
}
