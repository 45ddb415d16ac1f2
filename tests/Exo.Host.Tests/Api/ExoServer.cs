using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Exo.Testing;
using Xunit;

// Servers would take each other's cores.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Exo.Host.Tests.Api;

/// <summary>The real `exo serve` as a process of its own, on a free port, with the bundled model; its log is kept.</summary>
public sealed class ExoServer : IAsyncDisposable
{
    public const string Model = "smollm2-135m-instruct";

    /// <summary>A `logit_bias` that keeps the end token out of reach: such an answer goes on until the context is full.</summary>
    public static readonly IReadOnlyDictionary<int, int> Endless = new Dictionary<int, int> { [2] = -100 };

    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(5);

    private readonly List<string> _log = [];
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ExoServer(Process process) => Process = process;

    public Process Process { get; }

    public HttpClient Http { get; } = CreateClient();

    public Uri Address => Http.BaseAddress!;

    /// <summary>A client that leaves at once: by default .NET's reads on for two seconds.</summary>
    public static HttpClient CreateClient() => new(new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero }) { Timeout = _timeout };

    public static async Task<ExoServer> StartAsync(params string[] arguments)
    {
        string[] all = [Path.Combine(AppContext.BaseDirectory, "exo.dll"), "serve", "--listen", "127.0.0.1:0", "--model", SharedFolder.DefaultModel, "--threads", "2", .. arguments];
        var server = new ExoServer(Process.Start(new ProcessStartInfo("dotnet", all) { RedirectStandardError = true })!);
        server.Process.ErrorDataReceived += (_, line) => server.Take(line.Data);
        server.Process.BeginErrorReadLine();
        server.Http.BaseAddress = await server._address.Task.WaitAsync(_timeout);
        return server;
    }

    /// <summary>Standard error so far, a line each.</summary>
    public IReadOnlyList<string> Log
    {
        get
        {
            lock (_log) return [.. _log];
        }
    }

    /// <summary>Posts a chat request.</summary>
    public Task<HttpResponseMessage> PostAsync(object body, CancellationToken cancellation = default) =>
        Http.PostAsync("/v1/chat/completions", JsonContent.Create(body), cancellation);

    /// <summary>Posts a chat request that is to succeed; returns its answer.</summary>
    public async Task<JsonElement> AskAsync(object body)
    {
        using HttpResponseMessage response = await PostAsync(body);
        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.True(response.IsSuccessStatusCode, answer.ToString());
        return answer;
    }

    /// <summary>Waits for the log line of the request of this user; returns its fields.</summary>
    public async Task<JsonElement> LoggedAsync(string user)
    {
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < _timeout; await Task.Delay(20))
        {
            string? line = Log.FirstOrDefault(line => line.Contains($"\"User\":\"{user}\"", StringComparison.Ordinal));
            if (line is not null) return JsonElement.Parse(line).GetProperty("State");
        }
        throw new TimeoutException($"no log line of user {user} within {_timeout}");
    }

    /// <summary>Sends a signal (TERM, INT) and waits for the end; returns the exit code.</summary>
    public async Task<int> SignalAsync(string signal)
    {
        using (Process kill = Process.Start("kill", [$"-{signal}", $"{Process.Id}"])) await kill.WaitForExitAsync();
        using var timeout = new CancellationTokenSource(_timeout);
        await Process.WaitForExitAsync(timeout.Token);
        return Process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!Process.HasExited) Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
        Http.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null) _address.TrySetException(new IOException($"exo serve has ended: {string.Join('\n', Log)}"));
        else lock (_log) _log.Add(line);
        if (line?.StartsWith("listening on ", StringComparison.Ordinal) == true) _address.TrySetResult(new Uri(line["listening on ".Length..]));
    }
}

/// <summary>One server for all tests of a class, or of a collection.</summary>
public abstract class ServerFixture(params string[] arguments) : IAsyncLifetime
{
    public ExoServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await ExoServer.StartAsync(arguments);

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>The server of most tests: its context is small, so that no answer takes long.</summary>
[CollectionDefinition(nameof(DefaultServer))]
public sealed class DefaultServer() : ServerFixture("--context", "256"), ICollectionFixture<DefaultServer>;
