using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Exo.Model.Text;
using Exo.Testing;
using Xunit;

namespace Exo.Host.Tests.Api;

/// <summary>What no client library shows: several choices, bytes of tokens, every field, errors in detail.</summary>
[Collection(nameof(DefaultServer))]
public class HttpTests(DefaultServer fixture)
{
    private static readonly object[] _messages = [new { role = "system", content = "" }, new { role = "user", content = "Say a word." }];

    private ExoServer Server => fixture.Server;

    [Fact]
    public async Task Several_choices_are_numbered_differ_and_are_counted_together()
    {
        JsonElement answer = await Server.AskAsync(new { messages = _messages, max_tokens = 8, n = 3, seed = 5, temperature = 1.5 });
        JsonElement[] choices = [.. answer.GetProperty("choices").EnumerateArray()];
        Assert.Equal([0, 1, 2], choices.Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.Equal(3, choices.Select(choice => choice.GetProperty("message").GetProperty("content").GetString()).Distinct().Count());
        JsonElement alone = await Server.AskAsync(new { messages = _messages, max_tokens = 8, n = 1, seed = 5, temperature = 1.5 });
        Assert.Equal(Content(alone), Content(answer));
        Assert.InRange(answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32(), 3, 24);
    }

    [Fact]
    public async Task Bytes_of_tokens_that_are_parts_of_characters_make_up_the_answer()
    {
        Tokenizer tokenizer = Tokenizer.Load(SharedFolder.DefaultModel);
        int[] ids = tokenizer.Encode("\U0001F9E7");
        Assert.True(ids.Length > 1, "expected a character of several tokens");
        var bias = new Dictionary<string, int> { [$"{ids[0]}"] = 100 };
        JsonElement answer = await Server.AskAsync(new { messages = _messages, max_tokens = 1, temperature = 0, logprobs = true, logit_bias = bias });
        JsonElement token = answer.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content")[0];
        byte[] bytes = [.. token.GetProperty("bytes").EnumerateArray().Select(value => value.GetByte())];
        Assert.False(Utf8.IsValid(bytes));
        Assert.Equal(tokenizer.BytesOf(ids[0]), bytes);
        Assert.Equal("\U0001F9E7", Encoding.UTF8.GetString([.. ids.SelectMany(tokenizer.BytesOf)]));
        Assert.Contains('\uFFFD', token.GetProperty("token").GetString()!);
    }

    [Theory]
    [InlineData("temperature", "3")]
    [InlineData("temperature", "\"hot\"")]
    [InlineData("max_tokens", "0")]
    [InlineData("max_tokens", "1.5")]
    [InlineData("n", "17")]
    [InlineData("top_logprobs", "2")]
    [InlineData("stop", "[\"\"]")]
    [InlineData("stream_options", "{\"include_usage\":true}")]
    [InlineData("logit_bias", "{\"99999999\":1}")]
    [InlineData("logit_bias", "{\"one\":1}")]
    [InlineData("response_format", "{\"type\":\"json_object\"}")]
    [InlineData("tool_choice", "\"required\"")]
    [InlineData("tools", "[{\"type\":\"function\"}]")]
    [InlineData("store", "true")]
    [InlineData("functions", "[]")]
    [InlineData("no_such_field", "1")]
    [InlineData("seed", "1e300")]
    public async Task Field_that_cannot_be_honoured_is_refused_by_name(string field, string value)
    {
        string body = $"{{\"{field}\":{value},{JsonSerializer.Serialize(new { messages = _messages })[1..]}";
        JsonElement error = await ErrorAsync(HttpStatusCode.BadRequest, HttpMethod.Post, "/v1/chat/completions", body);
        Assert.StartsWith(field, error.GetProperty("param").GetString(), StringComparison.Ordinal);
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.Contains(field, error.GetProperty("message").GetString()!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}")]
    [InlineData("{\"messages\":[],\"\\ud800\":1}")]
    [InlineData("{\"messages\":[],\"messages\":[]}")]
    [InlineData("{\"messages\":[]} {}")]
    [InlineData("[1]")]
    [InlineData("")]
    public async Task Body_that_is_no_proper_object_is_refused(string body) =>
        await ErrorAsync(HttpStatusCode.BadRequest, HttpMethod.Post, "/v1/chat/completions", body);

    [Fact]
    public async Task Body_that_is_too_large_is_refused_with_413() =>
        await ErrorAsync(HttpStatusCode.RequestEntityTooLarge, HttpMethod.Post, "/v1/chat/completions", new string(' ', (4 << 20) + 1));

    [Fact]
    public async Task Unknown_endpoints_methods_and_models_are_errors_of_the_same_form()
    {
        await ErrorAsync(HttpStatusCode.NotFound, HttpMethod.Get, "/v1/no/such/thing");
        await ErrorAsync(HttpStatusCode.NotFound, HttpMethod.Get, "/v1/models/gpt-9");
        await ErrorAsync(HttpStatusCode.MethodNotAllowed, HttpMethod.Get, "/v1/chat/completions");
    }

    [Fact]
    public async Task Models_and_health_name_the_model()
    {
        JsonElement models = await Server.Http.GetFromJsonAsync<JsonElement>("/v1/models");
        Assert.Equal(ExoServer.Model, models.GetProperty("data")[0].GetProperty("id").GetString());
        JsonElement model = await Server.Http.GetFromJsonAsync<JsonElement>($"/v1/models/{ExoServer.Model}");
        Assert.Equal("model", model.GetProperty("object").GetString());
        JsonElement health = await Server.Http.GetFromJsonAsync<JsonElement>("/health");
        Assert.Equal("ok", health.GetProperty("status").GetString());
    }

    [Fact]
    public async Task Client_that_leaves_before_its_answer_cancels_it()
    {
        using (var cancel = new CancellationTokenSource())
        {
            var content = new WatchedContent(new { messages = _messages, user = "leaves-early", n = 4, logit_bias = ExoServer.Endless });
            Task<HttpResponseMessage> post = Server.Http.PostAsync("/v1/chat/completions", content, cancel.Token);
            await content.Sent;
            await Task.Delay(300);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => post);
        }
        JsonElement logged = await Server.LoggedAsync("leaves-early");
        Assert.Equal(499, logged.GetProperty("Status").GetInt32());
        await Server.AskAsync(new { messages = _messages, max_tokens = 1 });
    }

    [Fact]
    public async Task Log_has_the_counts_of_a_request_and_no_text_of_it()
    {
        const string secret = "rhododendron";
        await Server.AskAsync(new { messages = new[] { new { role = "user", content = $"Repeat: {secret} {secret}" } }, max_tokens = 5, user = "looks-at-the-log" });
        await ErrorAsync(HttpStatusCode.BadRequest, HttpMethod.Post, "/v1/chat/completions", $"{{\"messages\":\"{secret}\"}}");
        JsonElement logged = await Server.LoggedAsync("looks-at-the-log");
        Assert.InRange(logged.GetProperty("PromptTokens").GetInt32(), 5, 100);
        Assert.InRange(logged.GetProperty("CompletionTokens").GetInt32(), 1, 5);
        Assert.DoesNotContain(Server.Log, line => line.Contains(secret, StringComparison.OrdinalIgnoreCase));
    }

    private static string Content(JsonElement answer) => answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

    private async Task<JsonElement> ErrorAsync(HttpStatusCode status, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.ExpectContinue = true; // a refusal may come before the body has gone
        using HttpResponseMessage response = await Server.Http.SendAsync(request);
        Assert.Equal(status, response.StatusCode);
        JsonElement error = (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
        return error;
    }

    /// <summary>A body that tells when it has left.</summary>
    private sealed class WatchedContent : ByteArrayContent
    {
        private readonly TaskCompletionSource _sent = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public WatchedContent(object body) : base(JsonSerializer.SerializeToUtf8Bytes(body)) => Headers.ContentType = new("application/json");

        public Task Sent => _sent.Task;

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await base.SerializeToStreamAsync(stream, context, cancellationToken);
            await stream.FlushAsync(cancellationToken);
            _sent.TrySetResult();
        }
    }
}
