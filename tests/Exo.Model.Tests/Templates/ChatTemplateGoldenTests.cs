using System.Text.Json.Nodes;
using Exo.Model.Text;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Templates;

/// <summary>Everything that jinja2 3.1, set up as transformers does, was asked to render.</summary>
public class ChatTemplateGoldenTests
{
    public static TheoryData<string, int, string> Cases()
    {
        var cases = new TheoryData<string, int, string>();
        foreach (string file in new[] { "cases.json", "more.json" })
        {
            JsonArray all = Golden(file)["cases"]!.AsArray();
            for (int i = 0; i < all.Count; i++) cases.Add(file, i, (string)all[i]!["template"]!);
        }

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
    public void Case_renders_as_jinja2_does(string file, int index, string template)
    {
        JsonObject golden = Golden(file);
        JsonNode expected = golden["cases"]![index]!;
        Check(
            expected,
            () => ChatTemplate.Parse(template, "case").RenderVariables(
                golden["variables"]!.AsObject(), FixedTime.At((string)golden["now"]!)));
    }

    [Fact]
    public void Mangled_template_renders_or_fails_with_a_typed_error()
    {
        const int Seed = 20260309;
        var random = new Random(Seed);
        string[] templates = [.. Cases().Select(row => (string)row[2])];
        JsonObject variables = Golden("cases.json")["variables"]!.AsObject();
        string Piece()
        {
            string from = templates[random.Next(templates.Length)];
            int start = random.Next(from.Length);
            return from.Substring(start, random.Next(Math.Min(30, from.Length - start) + 1));
        }

        int rendered = 0;
        for (int i = 0; i < 4000; i++)
        {
            string template = templates[random.Next(templates.Length)];
            int start = random.Next(template.Length), length = random.Next(Math.Min(6, template.Length - start) + 1);
            template = template.Remove(start, length).Insert(start, random.Next(3) == 0 ? "" : Piece());
            Exception? thrown = Record.Exception(() => ChatTemplate.Parse(template, "mangled").RenderVariables(variables));
            if (thrown is null) rendered++;
            else Assert.True(thrown is ChatTemplateException, $"seed {Seed}, {template}: {thrown}");
        }

        Assert.InRange(rendered, 400, 3600);
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
        "TemplateSyntaxError" or "SyntaxError" => ChatTemplateError.Syntax,
        "TemplateAssertionError" => ChatTemplateError.UnknownName,
        "UndefinedError" => ChatTemplateError.Undefined,
        "TypeError" => ChatTemplateError.Type,
        "ValueError" or "FilterArgumentError" or "IndexError" or "KeyError" or "OverflowError" => ChatTemplateError.Value,
        "TemplateRuntimeError" => ChatTemplateError.Runtime,
        "ZeroDivisionError" => ChatTemplateError.ZeroDivision,
        "SecurityError" => ChatTemplateError.Security,
        "TemplateError" => ChatTemplateError.Raised,
        _ => throw new ArgumentException(name),
    };

    private static JsonObject Golden(string file) => Read(Path.Combine(SharedFolder.Golden, "jinja", file));

    private static JsonObject Read(string file) => JsonNode.Parse(File.ReadAllText(file))!.AsObject();
}
