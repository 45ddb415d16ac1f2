using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Xunit;
using Xunit.Abstractions;

namespace Exo.Host.Tests.Api;

[Collection(nameof(DefaultServer))]
public class HostileBodyTests(DefaultServer fixture, ITestOutputHelper output)
{
    private const int NumClients = 8;

    /// <summary>EXO_MUTATIONS and EXO_SEED set how many and which.</summary>
    [Fact]
    public async Task Mutated_request_gets_a_4xx_in_the_form_of_OpenAI_or_a_whole_answer()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("EXO_MUTATIONS"), out int given) ? given : 1000;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EXO_SEED"), out int other) ? other : 1;
        var mutator = new RequestMutator(seed);
        byte[][] bodies = [.. Enumerable.Range(0, count).Select(_ => mutator.Next())];
        var statuses = new int[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = NumClients }, async (i, cancellation) =>
        {
            using HttpResponseMessage response = await fixture.Server.Http.PostAsync("/v1/chat/completions", new ByteArrayContent(bodies[i]), cancellation);
            string text = await response.Content.ReadAsStringAsync(cancellation);
            statuses[i] = (int)response.StatusCode;
            Assert.True(IsProper(response, text), $"seed {seed}, request {i}: {statuses[i]} {Head(text)} to {Head(Encoding.UTF8.GetString(bodies[i]))}");
        });
        output.WriteLine($"seed {seed}: " + string.Join(", ", statuses.GroupBy(status => status).OrderBy(group => group.Key).Select(group => $"{group.Count()} x {group.Key}")));
        Assert.Contains(200, statuses);
        Assert.Contains(400, statuses);
        Assert.DoesNotContain(fixture.Server.Log, line => line.Contains("\"LogLevel\":\"Error\"", StringComparison.Ordinal));
        await IsAtWorkAsync();
    }

    [Theory]
    [InlineData("Content-Length: 500\r\n\r\n{\"messages\":[", "")]
    [InlineData("Content-Length: 2\r\n\r\n{\"messages\":[]}GARBAGE / HTTP\r\n\r\n", "400")]
    [InlineData("Content-Length: 15\r\n\r\n{\"messages\":[]}GARBAGE\r\n\r\n", "400")]
    [InlineData("Content-Length: -1\r\n\r\n{}", "400")]
    [InlineData("Content-Length: 99999999999999999999\r\n\r\n{}", "400")]
    [InlineData("Content-Length: 99999999999\r\n\r\n{}", "413")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", "400")]
    [InlineData("Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "400")]
    [InlineData("Connection: close\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "400")]
    [InlineData("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400")]
    [InlineData("\0\0\0\r\n\r\n", "400")]
    public async Task Broken_HTTP_gets_a_4xx_or_nothing(string afterHost, string status)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, fixture.Server.Address.Port);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + afterHost));
        if (status.Length == 0) client.Client.Shutdown(SocketShutdown.Send);
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var reader = new StreamReader(stream);
        string answer = "";
        try
        {
            answer = await reader.ReadToEndAsync(timeout.Token);
        }
        catch (IOException) when (status.Length == 0)
        {
            // Half a body is a client that has left: the connection may be reset.
        }
        if (status.Length > 0) Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("HTTP/1.1 5", answer, StringComparison.Ordinal);
        await IsAtWorkAsync();
    }

    private async Task IsAtWorkAsync() =>
        await fixture.Server.AskAsync(new { messages = new[] { new { role = "user", content = "Hi." } }, max_tokens = 1 });

    private static bool IsProper(HttpResponseMessage response, string text)
    {
        if (response.Content.Headers.ContentType?.MediaType == "text/event-stream") return text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal);
        JsonElement body = JsonElement.Parse(text);
        if (response.StatusCode == HttpStatusCode.OK) return body.GetProperty("choices").GetArrayLength() > 0;
        JsonElement error = body.GetProperty("error");
        return (int)response.StatusCode is >= 400 and < 500
            && error.GetProperty("type").GetString() == "invalid_request_error"
            && error.GetProperty("message").GetString() is { Length: > 0 and < 1000 }
            && error.TryGetProperty("param", out _) && error.TryGetProperty("code", out _);
    }

    private static string Head(string text) => text.Length > 300 ? text[..300] : text;
}
