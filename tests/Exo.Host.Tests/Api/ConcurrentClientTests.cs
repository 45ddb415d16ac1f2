using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Xunit;
using Xunit.Abstractions;

namespace Exo.Host.Tests.Api;

/// <summary>EXO_REQUESTS, EXO_ROUNDS and EXO_SEED set how many requests a round has, how many rounds, and which.</summary>
[Collection(nameof(DefaultServer))]
public class ConcurrentClientTests(DefaultServer fixture, ITestOutputHelper output)
{
    private const int NumClients = 20;
    private const long MaxGrowthBytes = 4 << 20;

    private static readonly string[] _prompts = ["Name a colour.", "Count to five.", "Say hello in French.", "What is rain?", "Write: a b c."];

    private static readonly ParallelOptions _parallel = new() { MaxDegreeOfParallelism = NumClients };

    [Fact]
    public async Task Answers_of_twenty_clients_equal_those_they_get_alone_and_memory_stays_flat()
    {
        int numRequests = Setting("EXO_REQUESTS", 40), numRounds = Setting("EXO_ROUNDS", 3), seed = Setting("EXO_SEED", 1);
        object[] requests = [.. _prompts.SelectMany(prompt => new[] { Request(prompt, 0, 0), Request(prompt, 1.2, 1), Request(prompt, 0.7, 2) })];
        var alone = new List<string>();
        foreach (object request in requests) alone.Add((await StreamAsync(request, int.MaxValue))!);
        Assert.True(alone.Distinct().Count() > _prompts.Length);

        var memory = new List<long>();
        int numCancelled = 0;
        for (int round = 0; round < numRounds; round++)
        {
            var random = new Random(seed + round);
            (int Index, int Events)[] plan = [.. Enumerable.Range(0, numRequests).Select(
                _ => (random.Next(requests.Length), random.Next(4) == 0 ? random.Next(8) : int.MaxValue))];
            var wrong = new ConcurrentBag<string>();
            await Parallel.ForEachAsync(plan, _parallel, async (item, _) =>
            {
                string? answer = await StreamAsync(requests[item.Index], item.Events);
                if (answer is null) Interlocked.Increment(ref numCancelled);
                else if (answer != alone[item.Index]) wrong.Add($"request {item.Index}: alone {alone[item.Index]}, among others {answer}");
            });
            Assert.True(wrong.IsEmpty, $"seed {seed + round}: {string.Join('\n', wrong)}");
            fixture.Server.Process.Refresh();
            memory.Add(fixture.Server.Process.WorkingSet64);
        }
        long growth = memory.Skip(1).Zip(memory, (later, earlier) => later - earlier).Min();
        output.WriteLine($"{numRounds} rounds of {numRequests} requests, {numCancelled} cancelled; MiB after each: {string.Join(", ", memory.Select(bytes => bytes >> 20))}");
        Assert.True(numCancelled > 0);
        Assert.True(growth < MaxGrowthBytes, $"every round takes {growth} bytes or more");
    }

    private static object Request(string prompt, double temperature, int seed) => new
    {
        messages = new[] { new { role = "system", content = "" }, new { role = "user", content = prompt } },
        max_tokens = 10,
        stream = true,
        temperature,
        seed,
    };

    /// <summary>The streamed text, or null where the client leaves after so many events.</summary>
    private async Task<string?> StreamAsync(object body, int maxEvents)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(body) };
        using HttpResponseMessage response = await fixture.Server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var text = new StringBuilder();
        for (int numEvents = 0; numEvents < maxEvents; numEvents++)
        {
            string line = await reader.ReadLineAsync() ?? throw new IOException("the stream ended without [DONE]");
            await reader.ReadLineAsync();
            if (line == "data: [DONE]") return text.ToString();
            JsonElement delta = JsonElement.Parse(line["data: ".Length..]).GetProperty("choices")[0].GetProperty("delta");
            if (delta.TryGetProperty("content", out JsonElement content)) text.Append(content.GetString());
        }
        return null;
    }

    private static int Setting(string name, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : fallback;
}
