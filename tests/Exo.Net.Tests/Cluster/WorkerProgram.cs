using System.Net;
using Exo.Kernels;
using Exo.Net.Cluster;

namespace Exo.Net.Tests.Cluster;

/// <summary>
/// The test assembly run as a program: a worker process, or a leader process that tests may kill. It takes what
/// <see cref="WorkerCommand"/> gives, after one word that says which.
/// </summary>
public static class WorkerProgram
{
    internal static WorkerCommand Command => new(DotnetHost, ["exec", typeof(WorkerProgram).Assembly.Location, "worker"]);

    internal static string DotnetHost => Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet"
        ? path
        : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>worker --connect ADDRESS --name NAME --key-file - --spawned; or leader CHECKPOINT-FOLDER SPLIT NODES.</summary>
    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is ["worker", "--connect", var address, "--name", var name, "--key-file", "-", "--spawned"])
        {
            using var input = Console.OpenStandardInput();
            return await SpawnedWorker.RunAsync(IPEndPoint.Parse(address), name, InProcessCluster.Services, input, Console.Error);
        }
        if (arguments is ["leader", var folder, var split, var nodes])
            return await LeaderProgram.RunAsync(folder, split, int.Parse(nodes, System.Globalization.CultureInfo.InvariantCulture), Console.Out);
        await Console.Error.WriteLineAsync("this is a test assembly: dotnet test runs it");
        return 2;
    }
}
