using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Exo.Host.Tests.Api;
using Xunit;

namespace Exo.Host.Tests.Cluster;

/// <summary>A server over processes, of which one is killed.</summary>
public class LostNodeTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Killed_worker_ends_the_stream_with_its_name_and_later_requests_are_refused_by_it_or_served()
    {
        if (!OperatingSystem.IsLinux()) return;
        await using ExoServer server = await ExoServer.StartAsync("--nodes", "2", "--context", "512");
        object body = new { messages = new[] { new { role = "user", content = "Count from 1 to 1000." } }, stream = true, temperature = 0, logit_bias = ExoServer.Endless };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(body) };
        using HttpResponseMessage response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (int line = 0; line < 8; line++) Assert.NotNull(await reader.ReadLineAsync().WaitAsync(_patience));

        using (Process worker = WorkerOf(server.Process)) worker.Kill();
        string last = (await reader.ReadToEndAsync().WaitAsync(_patience)).TrimEnd().Split('\n')[^1]["data: ".Length..];
        JsonElement error = JsonElement.Parse(last).GetProperty("error");
        Assert.Equal("node_failed", error.GetProperty("code").GetString());
        Assert.Contains("worker-1", error.GetProperty("message").GetString(), StringComparison.Ordinal);

        HttpStatusCode status;
        for (var waited = Stopwatch.StartNew(); ;)
        {
            using HttpResponseMessage next = await server.PostAsync(new { messages = new[] { new { role = "user", content = "Hi." } }, max_tokens = 2 });
            status = next.StatusCode;
            if (status == HttpStatusCode.OK || waited.Elapsed > _patience) break;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
            Assert.Contains("worker-1", await next.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            await Task.Delay(100);
        }
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(0, await server.SignalAsync("TERM"));
    }

    private static Process WorkerOf(Process server)
    {
        // A child belongs to the thread that started it, and is listed there.
        int[] children = [.. Directory.GetDirectories($"/proc/{server.Id}/task")
            .SelectMany(task => File.ReadAllText($"{task}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(id => int.Parse(id, CultureInfo.InvariantCulture))];
        return Process.GetProcessById(Assert.Single(children));
    }
}
