using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Model.Text.Templates;

namespace Exo.Model.Text;

/// <summary>
/// A model's chat template: how a conversation becomes the text that the model was trained on. The language is Jinja2's as Hugging
/// Face renders it: immutable sandbox, trim_blocks and lstrip_blocks, loop controls, the `generation` tag, `tojson` as Python's
/// json.dumps, raise_exception, strftime_now. No template can reach a file, the network or .NET, and each rendering is bounded.
/// Instances can be used from several threads at once.
/// </summary>
public sealed class ChatTemplate
{
    private readonly ChatTemplateLimits _limits;
    private readonly Statement[] _body;
    private readonly ChatTemplate? _forTools;
    private readonly JsonObject _tokens;

    private ChatTemplate(string source, string name, JsonObject tokens, ChatTemplate? forTools, ChatTemplateLimits limits)
    {
        Name = name;
        _limits = limits;
        _tokens = tokens;
        _forTools = forTools;
        _body = Parser.Parse(source, name, limits);
    }

    /// <summary>The name that errors give: the file, or what <see cref="Parse"/> was told.</summary>
    public string Name { get; }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The template's text.</param>
    /// <param name="name">What to call it in errors.</param>
    /// <param name="limits">How much a rendering may cost; the defaults if null.</param>
    /// <exception cref="ChatTemplateException">The source is no template, or too long or too deeply nested.</exception>
    public static ChatTemplate Parse(string source, string name, ChatTemplateLimits? limits = null) =>
        new(source, name, [], null, limits ?? ChatTemplateLimits.Default);

    /// <summary>
    /// Loads a model's template: chat_template.jinja, else the chat_template of tokenizer_config.json, which is a text or a list of
    /// named ones ('default', and 'tool_use' for requests with tools). The special tokens of tokenizer_config.json become variables.
    /// </summary>
    /// <returns>The template, or null if the model has none.</returns>
    /// <exception cref="ChatTemplateException">The files are there, but cannot be used.</exception>
    public static ChatTemplate? Load(string modelFolder) => TemplateFiles.Load(modelFolder, ChatTemplateLimits.Default);

    internal static ChatTemplate Create(string source, string name, JsonObject tokens, ChatTemplate? forTools, ChatTemplateLimits limits) =>
        new(source, name, tokens, forTools, limits);

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">Objects with role, content and whatever else the template reads, in order.</param>
    /// <param name="tools">Tool definitions (JSON Schema objects), or null for none.</param>
    /// <param name="addGenerationPrompt">Whether the text ends with the start of the assistant's answer.</param>
    /// <param name="variables">Further variables, such as enable_thinking. They win over all others.</param>
    /// <param name="time">The clock of strftime_now; the system's if null.</param>
    /// <returns>The text, byte for byte what Hugging Face's apply_chat_template gives.</returns>
    /// <exception cref="ChatTemplateException">The template refused its input, failed, or passed a limit.</exception>
    public string Render(
        JsonArray messages, JsonArray? tools = null, bool addGenerationPrompt = true, JsonObject? variables = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        if (tools is not null && _forTools is not null) return _forTools.Render(messages, tools, addGenerationPrompt, variables, time);
        return Render(
            (context, scope) =>
            {
                SetAll(context, scope, _tokens);
                scope.Set("messages", JsonText.FromJson(context, messages));
                scope.Set("tools", JsonText.FromJson(context, tools));
                scope.Set("documents", null);
                scope.Set("add_generation_prompt", addGenerationPrompt);
                if (variables is not null) SetAll(context, scope, variables);
            },
            time);
    }

    /// <summary>Renders with these variables and no others: no conversation, no special tokens.</summary>
    /// <exception cref="ChatTemplateException">The template refused its input, failed, or passed a limit.</exception>
    public string RenderVariables(JsonObject variables, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(variables);
        return Render((context, scope) => SetAll(context, scope, variables), time);
    }

    private string Render(Action<RenderContext, Scope> setVariables, TimeProvider? time)
    {
        var context = new RenderContext(_limits, time ?? TimeProvider.System);
        try
        {
            var scope = new Scope(null);
            setVariables(context, scope);
            Statement.RunAll(_body, context, new Scope(scope));
            return context.Output.ToString();
        }
        catch (TemplateFault fault)
        {
            throw new ChatTemplateException(fault.Error, Name, context.Line, fault.Message, fault);
        }
        catch (Exception e) when (context.Line == 0 && e is (JsonException or InvalidOperationException or ArgumentException))
        {
            // JSON that System.Text.Json holds but cannot give out: a key twice, half a surrogate pair.
            throw new ChatTemplateException(ChatTemplateError.Value, Name, 0, $"messages, tools or variables are not well-formed: {e.Message}", e);
        }
    }

    private static void SetAll(RenderContext context, Scope scope, JsonObject variables)
    {
        foreach ((string name, JsonNode? value) in variables) scope.Set(name, JsonText.FromJson(context, value));
    }
}
