using System.Text.Json.Nodes;
using Exo.Model.Text;
using Xunit;

namespace Exo.Model.Tests.Templates;

/// <summary>Where a model's template and special tokens come from.</summary>
public sealed class ChatTemplateLoadTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("exo-template-").FullName;

    private static readonly JsonArray s_tools = [new JsonObject { ["name"] = "f" }];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Model_without_a_template_has_none()
    {
        Assert.Null(ChatTemplate.Load(_folder));
        Config("{}");
        Assert.Null(ChatTemplate.Load(_folder));
    }

    [Fact]
    public void Template_is_a_text_in_tokenizer_config()
    {
        Config("""{"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "bos_token": "<s>", "eos_token": {"content": "</s>"}}""");
        Assert.Equal("<s>hi</s>", Render());
    }

    [Fact]
    public void Own_file_wins_over_tokenizer_config()
    {
        Config("""{"chat_template": "config", "bos_token": "<s>"}""");
        File.WriteAllText(Path.Combine(_folder, "chat_template.jinja"), "file {{ bos_token }}\n");
        Assert.Equal("file <s>", Render());
    }

    [Fact]
    public void Tool_template_is_used_when_there_are_tools()
    {
        Config("""{"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools {{ tools[0].name }}"}]}""");
        Assert.Equal("plain", Render());
        Assert.Equal("tools f", ChatTemplate.Load(_folder)!.Render([], s_tools.DeepClone().AsArray()));
    }

    [Fact]
    public void Tools_reach_the_one_template_that_there_is()
    {
        Config("""{"chat_template": "{% if tools %}{{ tools[0].name }}{% else %}none{% endif %}{{ documents is none }}"}""");
        Assert.Equal("noneTrue", Render());
        Assert.Equal("fTrue", ChatTemplate.Load(_folder)!.Render([], s_tools.DeepClone().AsArray()));
    }

    [Fact]
    public void Variables_win_and_the_generation_prompt_is_asked_for()
    {
        Config("""{"chat_template": "{{ bos_token }}{{ x }}{% if add_generation_prompt %}>{% endif %}", "bos_token": "<s>"}""");
        ChatTemplate template = ChatTemplate.Load(_folder)!;
        Assert.Equal("<s>>", template.Render([]));
        Assert.Equal("<t>1", template.Render([], addGenerationPrompt: false, variables: new JsonObject { ["bos_token"] = "<t>", ["x"] = 1 }));
    }

    [Theory]
    [InlineData("[]", "expected a JSON object")]
    [InlineData("{", "not JSON")]
    [InlineData("""{"chat_template": 5}""", "chat_template: expected a string, got Number")]
    [InlineData("""{"chat_template": [5]}""", "expected objects with name and template")]
    [InlineData("""{"chat_template": [{"name": "rag", "template": "x"}]}""", "found 'rag'")]
    [InlineData("""{"chat_template": [{"name": "default"}]}""", "chat_template.template: expected a string, got null")]
    public void Malformed_config_is_a_typed_error_that_names_file_and_field(string config, string reason)
    {
        Config(config);
        ChatTemplateException thrown = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Load(_folder));
        Assert.Equal(ChatTemplateError.File, thrown.Error);
        Assert.Contains("tokenizer_config.json", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(reason, thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_say_template_line_and_kind()
    {
        ChatTemplateException thrown = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("a\nb\n{{ x.y }}\nc", "mine").Render([]));
        Assert.Equal("mine, line 3: UndefinedError: 'x' is undefined", thrown.Message);
        thrown = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("a\n{% for i in [1] %}\n{{ raise_exception('no') }}{% endfor %}", "mine").Render([]));
        Assert.Equal("mine, line 3: TemplateError: no", thrown.Message);
        thrown = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse("a\n{{ 1 + }}", "mine"));
        Assert.Equal(2, thrown.Line);
    }

    [Theory]
    [InlineData("""[{"role": "user", "role": "user"}]""")]
    [InlineData("""["\ud800"]""")]
    public void Messages_that_are_no_proper_JSON_are_a_typed_error(string messages)
    {
        ChatTemplate template = ChatTemplate.Parse("{{ messages }}", "mine");
        ChatTemplateException thrown = Assert.Throws<ChatTemplateException>(() => template.Render(JsonNode.Parse(messages)!.AsArray()));
        Assert.Equal(ChatTemplateError.Value, thrown.Error);
    }

    [Fact]
    public void Numbers_keep_their_kind_whether_parsed_or_made_in_CSharp()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ messages | tojson }}", "mine");
        Assert.Equal("[1, 1.0, 1e+22, 12345678901234567890123]", template.Render(JsonNode.Parse("[1, 1.0, 1e22, 12345678901234567890123]")!.AsArray()));
        Assert.Equal("[1, 2.5, true, null]", template.Render([1, 2.5, true, null]));
    }

    [Fact]
    public void One_template_renders_on_many_threads()
    {
        ChatTemplate template = ChatTemplate.Parse("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + m %}{% endfor %}{{ ns.n }}", "mine");
        System.Threading.Tasks.Parallel.For(0, 200, i => Assert.Equal((3 * i).ToString(System.Globalization.CultureInfo.InvariantCulture), template.Render([i, i, i])));
    }

    private void Config(string json) => File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), json);

    private string Render() => ChatTemplate.Load(_folder)!.Render([new JsonObject { ["content"] = "hi" }]);
}
