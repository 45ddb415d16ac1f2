using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Exo.Host.Api;
using Exo.Model;
using Exo.Model.Generation;

namespace Exo.Host.Commands;

/// <summary>`exo serve`: the OpenAI API of one model.</summary>
internal static class ServeCommand
{
    public const int DefaultPort = 52415;

    private static readonly Option<string> _listen = new("--listen") { Description = "Address and port; port 0 takes a free one.", DefaultValueFactory = _ => $"127.0.0.1:{DefaultPort}" };
    private static readonly Option<string?> _keyFile = new("--api-key-file") { Description = "A file with the key that requests must carry as a bearer token." };
    private static readonly Option<int> _maxRunning = Number("--max-running", 8, 1, 1024, "Answers computed side by side.");
    private static readonly Option<int> _maxWaiting = Number("--max-waiting", 1024, 0, 1 << 20, "Requests that may wait.");
    private static readonly Option<int> _timeout = Number("--request-timeout", 600, 1, 7 * 24 * 3600, "Seconds that a request may take.");

    public static Command Create()
    {
        var engineArguments = new EngineArguments();
        var command = new Command("serve", "Serves the OpenAI API.") { _listen, _keyFile, _maxRunning, _maxWaiting, _timeout };
        engineArguments.AddTo(command);
        command.SetAction((arguments, cancellation) => ServeAsync(arguments, engineArguments, cancellation));
        return command;
    }

    private static async Task<int> ServeAsync(ParseResult arguments, EngineArguments engineArguments, CancellationToken cancellation)
    {
        IPEndPoint endpoint = ParseEndpoint(arguments.GetValue(_listen)!);
        string? key = arguments.GetValue(_keyFile) is { } file ? ReadKey(file) : null;
        if (!IPAddress.IsLoopback(endpoint.Address) && key is null)
            throw new ModelException($"--listen {endpoint}: an address that others can reach needs an API key (--api-key-file)");
        var engineOptions = new EngineOptions { MaxRunning = arguments.GetValue(_maxRunning), MaxWaiting = arguments.GetValue(_maxWaiting) };
        await using LoadedEngine loaded = await engineArguments.LoadAsync(arguments, engineOptions, cancellation);
        await using WebApplication server = ApiServer.Create(loaded.Engine, endpoint, new ServerOptions
        {
            ModelId = engineArguments.ModelId(arguments),
            RequestTimeout = TimeSpan.FromSeconds(arguments.GetValue(_timeout)),
            ApiKey = key,
        });
        try
        {
            await server.StartAsync(cancellation);
        }
        catch (IOException e)
        {
            throw new ModelException($"--listen {endpoint}: {e.Message}");
        }
        await Console.Error.WriteLineAsync($"listening on {string.Join(", ", server.Urls)}");
        await server.WaitForShutdownAsync(cancellation);
        return 0;
    }

    private static Option<int> Number(string name, int fallback, int minimum, int maximum, string description)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => fallback };
        option.Validators.Add(result =>
        {
            int value = result.GetValueOrDefault<int>();
            if (value < minimum || value > maximum) result.AddError($"{name}: expected {minimum} to {maximum}, got {value}");
        });
        return option;
    }

    /// <summary>ADDRESS:PORT; an address alone would silently mean a free port.</summary>
    private static IPEndPoint ParseEndpoint(string text)
    {
        if (IPEndPoint.TryParse(text, out IPEndPoint? endpoint))
        {
            string colon = endpoint.AddressFamily == AddressFamily.InterNetworkV6 ? "]:" : ":";
            if (text.EndsWith($"{colon}{endpoint.Port}", StringComparison.Ordinal)) return endpoint;
        }
        throw new ModelException($"--listen {text}: expected ADDRESS:PORT");
    }

    private static string ReadKey(string file)
    {
        try
        {
            string key = File.ReadAllText(file).Trim();
            return key.Length > 0 ? key : throw new ModelException($"--api-key-file {file}: expected a key, the file is empty");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"--api-key-file {file}: {e.Message}");
        }
    }
}
