using System.Text.Json.Nodes;
using Exo.Model.Text;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Templates;

/// <summary>Everything that jinja2 3.1, set up as transformers does, was asked to render.</summary>
public class ChatTemplateGoldenTests
{
    private static readonly Lazy<JsonObject> s_cases =
        new(() => Read(Path.Combine(SharedFolder.Golden, "jinja", "cases.json")));

    public static TheoryData<int, string> Cases()
    {
        var cases = new TheoryData<int, string>();
        JsonArray all = s_cases.Value["cases"]!.AsArray();
        for (int i = 0; i < all.Count; i++) cases.Add(i, (string)all[i]!["template"]!);
        return cases;
    }

    public static TheoryData<string, int, string> PublishedCases()
    {
        var cases = new TheoryData<string, int, string>();
        string[] files = SharedFolder.Exists ? Directory.GetFiles(SharedFolder.PathOf("golden", "templates"), "*.json") : [];
        if (files.Length == 0) cases.Add("none", 0, "");
        foreach (string file in files.Order())
        {
            JsonArray all = Read(file)["cases"]!.AsArray();
            for (int i = 0; i < all.Count; i++) cases.Add(Path.GetFileName(file), i, (string)all[i]!["name"]!);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Case_renders_as_jinja2_does(int index, string template)
    {
        JsonObject golden = s_cases.Value;
        JsonNode expected = golden["cases"]![index]!;
        Check(
            expected,
            () => ChatTemplate.Parse(template, "case").RenderVariables(
                golden["variables"]!.AsObject(), FixedTime.At((string)golden["now"]!)));
    }

    [SharedTheory]
    [MemberData(nameof(PublishedCases))]
    public void Published_template_renders_byte_for_byte(string file, int index, string name)
    {
        JsonObject golden = Read(SharedFolder.PathOf("golden", "templates", file));
        JsonNode conversation = golden["cases"]![index]!;
        Assert.Equal(name, (string)conversation["name"]!);
        JsonObject variables = conversation["variables"]?.DeepClone().AsObject() ?? [];
        foreach (string token in new[] { "bos_token", "eos_token" })
            if (golden[token] is JsonNode text) variables[token] = text.DeepClone();
        Check(
            conversation,
            () => ChatTemplate.Parse((string)golden["chat_template"]!, file).Render(
                conversation["messages"]!.DeepClone().AsArray(),
                conversation["tools"]?.DeepClone().AsArray(),
                (bool?)conversation["add_generation_prompt"] ?? false,
                variables,
                FixedTime.At((string)golden["now"]!)));
    }

    private static void Check(JsonNode expected, Func<string> render)
    {
        if (expected["error"] is not JsonNode error)
        {
            Assert.Equal((string)expected["expected"]!, render());
            return;
        }

        string words = (string)error!;
        ChatTemplateException thrown = Assert.Throws<ChatTemplateException>(render);
        Assert.Equal(KindOf(words[..words.IndexOf(':', StringComparison.Ordinal)]), thrown.Error);
        if (thrown.Error == ChatTemplateError.Raised) Assert.Equal(words["TemplateError: ".Length..], thrown.Reason);
    }

    private static ChatTemplateError KindOf(string name) => name switch
    {
        "TemplateSyntaxError" => ChatTemplateError.Syntax,
        "TemplateAssertionError" => ChatTemplateError.UnknownName,
        "UndefinedError" => ChatTemplateError.Undefined,
        "TypeError" => ChatTemplateError.Type,
        "ZeroDivisionError" => ChatTemplateError.ZeroDivision,
        "SecurityError" => ChatTemplateError.Security,
        "TemplateError" => ChatTemplateError.Raised,
        _ => throw new ArgumentException(name),
    };

    private static JsonObject Read(string file) => JsonNode.Parse(File.ReadAllText(file))!.AsObject();
}
