using System.Diagnostics;

namespace Exo.Net.Cluster;

/// <summary>How to start a worker process: a program and what stands before the arguments that each worker gets of its own.</summary>
public sealed record WorkerCommand(string FileName, IReadOnlyList<string> Arguments)
{
    /// <summary>This very program, run again with other arguments.</summary>
    /// <exception cref="ClusterException">The program cannot tell where it is.</exception>
    public static WorkerCommand Self(params IReadOnlyList<string> arguments)
    {
        string program = Environment.ProcessPath ?? throw new ClusterException("this process does not know its own program");
        // Run by the shared host (`dotnet exo.dll`), the program is the host and the assembly its first argument.
        return Path.GetFileNameWithoutExtension(program) == "dotnet"
            ? new WorkerCommand(program, ["exec", Environment.GetCommandLineArgs()[0], .. arguments])
            : new WorkerCommand(program, arguments);
    }

    internal ProcessStartInfo For(string leaderAddress, string name)
    {
        var start = new ProcessStartInfo(FileName) { UseShellExecute = false, RedirectStandardInput = true };
        foreach (string argument in Arguments)
            start.ArgumentList.Add(argument);
        foreach (string argument in (string[])["--connect", leaderAddress, "--name", name, "--key-file", "-", "--spawned"])
            start.ArgumentList.Add(argument);
        return start;
    }
}
