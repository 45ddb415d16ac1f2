using System.CommandLine;
using Exo.Net.Cluster;
using Exo.Net.Cluster.Control;

namespace Exo.Host.Commands;

/// <summary>`exo worker`: lends this machine to a leader.</summary>
internal static class WorkerNodeCommand
{
    public static Command Create()
    {
        var listen = new Option<string?>("--listen") { Description = "Waits at this address for leaders, one after the other." };
        var connect = new Option<string?>("--connect") { Description = "Dials the leader at this address, and ends with it." };
        var keyFile = new Option<string>("--key-file") { Description = "The cluster's key; '-' reads it from standard input.", Required = true };
        var name = new Option<string>("--name") { Description = "What this node is called in errors.", DefaultValueFactory = _ => Environment.MachineName };
        var spawned = new Option<bool>("--spawned") { Description = "Started by a leader on this machine: reads the key from standard input and ends with it.", Hidden = true };
        var command = new Command("worker", "Lends this machine to a leader.") { listen, connect, keyFile, name, spawned };
        command.SetAction(async (arguments, cancellation) =>
        {
            (string? listenAt, string? leaderAt) = (arguments.GetValue(listen), arguments.GetValue(connect));
            if (listenAt is null == leaderAt is null) throw new ClusterException("worker: expected one of --listen and --connect");
            string workerName = arguments.GetValue(name)!, file = arguments.GetValue(keyFile)!;
            if (arguments.GetValue(spawned))
            {
                using Stream input = Console.OpenStandardInput();
                return await SpawnedWorker.RunAsync(
                    Addresses.Parse("--connect", leaderAt ?? ""), workerName, ClusterArguments.Services, input, Console.Error);
            }
            ClusterKeys keys = file == "-" ? ClusterKeyFile.ReadLine(Console.OpenStandardInput()) : ClusterKeyFile.ReadOrCreate(file);
            var control = new ControlOptions(NodeIdentity.Create(workerName), keys);
            var worker = new Worker(control, ClusterArguments.Services, Console.Error);
            if (leaderAt is not null)
            {
                await worker.ConnectAsync(Addresses.Parse("--connect", leaderAt), cancellation);
                return 0;
            }
            await using ControlListener listener = Addresses.Listen("--listen", listenAt!, control);
            listener.Refused = refusal => Console.Error.WriteLine($"refused: {refusal.Message}");
            await Console.Error.WriteLineAsync($"listening on {listener.EndPoint}");
            await worker.ListenAsync(listener, cancellation);
            return 0;
        });
        return command;
    }
}
