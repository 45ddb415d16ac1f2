using System.ClientModel;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Exo.Host.Tests.Api;

/// <summary>A server with a key, room for one request and one that waits, and little time.</summary>
public sealed class NarrowServer() : ServerFixture(
    "--api-key-file", KeyFile(), "--max-running", "1", "--max-waiting", "1", "--request-timeout", "3", "--context", "8192")
{
    public const string Key = "sk-a-key-for-tests";

    private static string KeyFile()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("exo-key-").FullName, "key");
        File.WriteAllText(file, Key + "\n");
        return file;
    }
}

public class LimitTests : IClassFixture<NarrowServer>
{
    // Such an answer takes longer than the server allows.
    private static readonly object _endless = new
    {
        messages = new[] { new { role = "user", content = "Count." } },
        temperature = 0,
        stream = true,
        logit_bias = ExoServer.Endless,
    };

    private readonly ExoServer _server;

    public LimitTests(NarrowServer fixture)
    {
        _server = fixture.Server;
        _server.Http.DefaultRequestHeaders.Authorization = new("Bearer", NarrowServer.Key);
    }

    [Fact]
    public async Task Missing_or_wrong_key_is_refused_with_401_and_health_needs_none()
    {
        ClientResultException wrong = await Assert.ThrowsAsync<ClientResultException>(
            () => OpenAiClientTests.Client(_server, ExoServer.Model, "sk-wrong").CompleteChatAsync("hi"));
        Assert.Equal(401, wrong.Status);
        Assert.Contains("invalid_api_key", wrong.GetRawResponse()!.Content.ToString(), StringComparison.Ordinal);
        using var stranger = new HttpClient { BaseAddress = _server.Address };
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.GetAsync("/v1/models")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await stranger.GetAsync("/health")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _server.Http.GetAsync("/v1/models")).StatusCode);
    }

    [Fact]
    public async Task Stream_that_takes_too_long_ends_with_an_error_event()
    {
        using HttpResponseMessage response = await _server.PostAsync(_endless);
        string text = await response.Content.ReadAsStringAsync();
        string last = text.TrimEnd().Split('\n')[^1]["data: ".Length..];
        Assert.Equal("timeout", JsonElement.Parse(last).GetProperty("error").GetProperty("code").GetString());
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_beyond_the_queue_are_refused_with_429()
    {
        HttpStatusCode[] statuses = [];
        // A machine so busy that the first has timed out before the last has come shows nothing: then once more.
        for (int tries = 0; tries < 5 && statuses.Count(status => status == HttpStatusCode.TooManyRequests) != 2; tries++)
        {
            await WaitUntilFreeAsync();
            Task<HttpResponseMessage>[] posts = [.. Enumerable.Range(0, 4).Select(_ => _server.PostAsync(_endless))];
            statuses = [.. (await Task.WhenAll(posts)).Select(response => response.StatusCode)];
        }
        Assert.Equal(2, statuses.Count(status => status == HttpStatusCode.TooManyRequests));
        Assert.Equal(2, statuses.Count(status => status is HttpStatusCode.OK or HttpStatusCode.RequestTimeout));
    }

    [Fact]
    public async Task Client_that_stops_reading_is_cut_off_in_time()
    {
        await WaitUntilFreeAsync();
        const string user = "reads-nothing";
        string body = JsonSerializer.Serialize(_endless)[..^1] + $",\"user\":\"{user}\",\"logprobs\":true,\"top_logprobs\":20}}";
        using var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, _server.Address.Port);
        string head = $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {NarrowServer.Key}\r\nContent-Length: {body.Length}\r\n\r\n";
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(head + body));
        JsonElement logged = await _server.LoggedAsync(user);
        Assert.Contains(logged.GetProperty("Status").GetInt32(), new[] { 408, 499 });
    }

    /// <summary>Requests that have timed out leave the engine at the end of its step.</summary>
    private async Task WaitUntilFreeAsync()
    {
        object brief = new { messages = new[] { new { role = "user", content = "Hi." } }, max_tokens = 1 };
        for (int tries = 0; tries < 100; tries++)
        {
            using HttpResponseMessage response = await _server.PostAsync(brief);
            if (response.IsSuccessStatusCode) return;
            await Task.Delay(100);
        }
        throw new TimeoutException("the server stays busy");
    }
}
