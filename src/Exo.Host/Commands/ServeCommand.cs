using System.CommandLine;
using System.Net;
using Exo.Host.Api;
using Exo.Model;
using Exo.Model.Generation;

namespace Exo.Host.Commands;

/// <summary>`exo serve`: the OpenAI API of one model.</summary>
internal static class ServeCommand
{
    public const int DefaultPort = 52415;

    public static Command Create()
    {
        var listen = new Option<string>("--listen") { Description = "Address and port.", DefaultValueFactory = _ => $"127.0.0.1:{DefaultPort}" };
        var keyFile = new Option<string?>("--api-key-file") { Description = "A file with the key that requests must carry as a bearer token." };
        var maxRunning = new Option<int>("--max-running") { Description = "Answers computed side by side.", DefaultValueFactory = _ => 8 };
        var maxWaiting = new Option<int>("--max-waiting") { Description = "Requests that may wait.", DefaultValueFactory = _ => 1024 };
        var timeout = new Option<int>("--request-timeout") { Description = "Seconds that a request may take.", DefaultValueFactory = _ => 600 };
        var engineArguments = new EngineArguments();
        var command = new Command("serve", "Serves the OpenAI API.") { listen, keyFile, maxRunning, maxWaiting, timeout };
        engineArguments.AddTo(command);
        command.SetAction(async (arguments, cancellation) =>
        {
            if (!IPEndPoint.TryParse(arguments.GetValue(listen)!, out IPEndPoint? endpoint))
                throw new ModelException($"--listen {arguments.GetValue(listen)}: expected ADDRESS:PORT");
            var engineOptions = new EngineOptions { MaxRunning = arguments.GetValue(maxRunning), MaxWaiting = arguments.GetValue(maxWaiting) };
            await using LoadedEngine loaded = await engineArguments.LoadAsync(arguments, engineOptions, cancellation);
            await using WebApplication server = ApiServer.Create(loaded.Engine, endpoint, new ServerOptions
            {
                ModelId = engineArguments.ModelId(arguments),
                RequestTimeout = TimeSpan.FromSeconds(arguments.GetValue(timeout)),
                ApiKey = arguments.GetValue(keyFile) is { } file ? (await File.ReadAllTextAsync(file, cancellation)).Trim() : null,
            });
            await server.StartAsync(cancellation);
            await Console.Error.WriteLineAsync($"listening on {string.Join(", ", server.Urls)}");
            await server.WaitForShutdownAsync(cancellation);
            return 0;
        });
        return command;
    }
}
