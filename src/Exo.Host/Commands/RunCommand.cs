using System.CommandLine;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;

namespace Exo.Host.Commands;

/// <summary>`exo run [PROMPT]`: answers a prompt, or chats in the terminal. Standard output carries the answers alone.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var prompt = new Argument<string?>("prompt") { Description = "What to answer; without it, a chat in the terminal.", Arity = ArgumentArity.ZeroOrOne };
        var system = new Option<string?>("--system") { Description = "A system message before the conversation." };
        var logitsHash = new Option<bool>("--logits-hash") { Description = "Prints SHA-256 of each answer's token ids, and of the logits that they were sampled from." };
        var engineArguments = new EngineArguments();
        var samplingArguments = new SamplingArguments();
        var command = new Command("run", "Answers a prompt, or chats in the terminal.") { prompt, system, logitsHash };
        engineArguments.AddTo(command);
        samplingArguments.AddTo(command);
        command.SetAction(async (arguments, cancellation) =>
        {
            using LogitsHash? hash = arguments.GetValue(logitsHash) ? new LogitsHash() : null;
            await using LoadedEngine loaded = await engineArguments.LoadAsync(
                arguments, new EngineOptions { MaxRunning = 1 }, cancellation, hash is null ? null : hash.Watch);
            var messages = new JsonArray();
            if (arguments.GetValue(system) is { } text) messages.Add(Message("system", text));
            var conversation = new Conversation(loaded.Engine, messages, ids => samplingArguments.Request(arguments, ids), hash);
            try
            {
                if (arguments.GetValue(prompt) is { } question) await conversation.AskAsync(question, cancellation);
                else await conversation.ChatAsync(cancellation);
                if (engineArguments.Timeline(arguments) is { } path) await loaded.WriteTimelineAsync(path);
                return 0;
            }
            catch (ClusterException e)
            {
                // Said before the nodes are let go: one that has stopped would be waited for first.
                await Console.Error.WriteLineAsync($"exo: {e.Message}");
                return 1;
            }
        });
        return command;
    }

    private static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };

    private sealed class Conversation(Engine engine, JsonArray messages, Func<int[], GenerationRequest> request, LogitsHash? hash)
    {
        public async Task ChatAsync(CancellationToken cancellation)
        {
            await Console.Error.WriteLineAsync("A message a line; an empty line or the end of input ends the chat.");
            while (true)
            {
                await Console.Error.WriteAsync("> ");
                string? line = await Console.In.ReadLineAsync(cancellation);
                if (string.IsNullOrWhiteSpace(line)) return;
                await AskAsync(line, cancellation);
            }
        }

        public async Task AskAsync(string question, CancellationToken cancellation)
        {
            messages.Add(Message("user", question));
            int[] ids = engine.Text.EncodeChat(messages);
            var answer = new StringBuilder();
            int numTokens = 0;
            long start = Stopwatch.GetTimestamp(), first = start;
            await foreach (GeneratedToken token in engine.GenerateAsync(request(ids), cancellation))
            {
                if (numTokens++ == 0) first = Stopwatch.GetTimestamp();
                answer.Append(token.Text);
                await Console.Out.WriteAsync(token.Text);
                await Console.Out.FlushAsync(cancellation);
            }
            await Console.Out.WriteLineAsync();
            messages.Add(Message("assistant", answer.ToString()));
            double toFirst = Stopwatch.GetElapsedTime(start, first).TotalSeconds, rest = Stopwatch.GetElapsedTime(first).TotalSeconds;
            string decode = numTokens > 1 ? $", decode {(numTokens - 1) / rest:F1} tokens/s" : "";
            await Console.Error.WriteLineAsync(
                $"first token after {toFirst:F2} s; prefill {ids.Length / toFirst:F1} tokens/s ({ids.Length} tokens){decode} ({numTokens} tokens)");
            if (hash is not null) await Console.Error.WriteLineAsync(hash.TakeSummary());
        }
    }
}
