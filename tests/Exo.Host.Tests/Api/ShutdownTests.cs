using System.Text.Json;
using Xunit;

namespace Exo.Host.Tests.Api;

public class ShutdownTests
{
    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Signal_ends_running_streams_with_an_error_event_and_the_process_with_status_0(string signal)
    {
        await using ExoServer server = await ExoServer.StartAsync();
        object body = new { messages = new[] { new { role = "user", content = "Count from 1 to 1000." } }, stream = true, temperature = 0, n = 2, logit_bias = ExoServer.Endless };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = System.Net.Http.Json.JsonContent.Create(body) };
        using HttpResponseMessage response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Task<string> rest = response.Content.ReadAsStringAsync();
        Assert.Equal(0, await server.SignalAsync(signal));
        string last = (await rest).TrimEnd().Split('\n')[^1]["data: ".Length..];
        Assert.Equal("shutting_down", JsonElement.Parse(last).GetProperty("error").GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("--listen", "127.0.0.1")]
    [InlineData("--listen", "0.0.0.0:0")]
    [InlineData("--max-running", "0")]
    [InlineData("--request-timeout", "-1")]
    [InlineData("--api-key-file", "no-such-file")]
    public async Task Setting_that_makes_no_sense_is_refused_by_name(string option, string value)
    {
        ExoProcess exo = await ExoProcess.RunAsync("serve", option, value);
        Assert.Equal(1, exo.ExitCode);
        Assert.Contains(option, exo.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", exo.Error, StringComparison.Ordinal);
    }
}
