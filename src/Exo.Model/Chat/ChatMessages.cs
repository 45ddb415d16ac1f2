using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Model.Generation;
using Microsoft.Extensions.AI;

namespace Exo.Model.Chat;

/// <summary>Microsoft.Extensions.AI's messages and tools in the form that chat templates read.</summary>
internal static class ChatMessages
{
    /// <summary>[{role, content, tool_calls?}, ...]; a function's result becomes a message of the role `tool`.</summary>
    public static JsonArray ToTemplate(IEnumerable<ChatMessage> messages, string? instructions)
    {
        var output = new JsonArray();
        if (!string.IsNullOrEmpty(instructions)) output.Add(new JsonObject { ["role"] = "system", ["content"] = instructions });
        foreach (ChatMessage message in messages)
        {
            var calls = new JsonArray();
            var texts = new List<string>();
            foreach (AIContent content in message.Contents) Add(content, texts, calls, output);
            if (calls.Count == 0 && texts.Count == 0 && message.Contents.Count > 0) continue; // results alone: added above
            var item = new JsonObject { ["role"] = message.Role.Value, ["content"] = string.Concat(texts) };
            if (calls.Count > 0) item["tool_calls"] = calls;
            output.Add(item);
        }
        return output;
    }

    /// <summary>[{type: function, function: {name, description, parameters}}, ...], or null without tools.</summary>
    public static JsonArray? ToTemplate(IList<AITool>? tools)
    {
        if (tools is null || tools.Count == 0) return null;
        var output = new JsonArray();
        foreach (AITool tool in tools)
        {
            if (tool is not AIFunctionDeclaration function)
                throw new RequestException($"tool {tool.Name}: expected a function, got {tool.GetType().Name}");
            output.Add(new JsonObject
            {
                ["type"] = "function",
                ["function"] = new JsonObject
                {
                    ["name"] = function.Name,
                    ["description"] = function.Description,
                    ["parameters"] = JsonNode.Parse(function.JsonSchema.GetRawText()),
                },
            });
        }
        return output;
    }

    private static void Add(AIContent content, List<string> texts, JsonArray calls, JsonArray output)
    {
        switch (content)
        {
            case TextContent text:
                texts.Add(text.Text);
                break;
            case FunctionCallContent call:
                calls.Add(new JsonObject
                {
                    ["id"] = call.CallId,
                    ["type"] = "function",
                    ["function"] = new JsonObject { ["name"] = call.Name, ["arguments"] = JsonSerializer.SerializeToNode(call.Arguments) },
                });
                break;
            case FunctionResultContent result:
                string answer = result.Result as string ?? JsonSerializer.Serialize(result.Result);
                output.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = result.CallId, ["content"] = answer });
                break;
            case UsageContent:
                break;
            default:
                throw new RequestException($"a message holds {content.GetType().Name}: expected text, function calls or their results");
        }
    }
}
