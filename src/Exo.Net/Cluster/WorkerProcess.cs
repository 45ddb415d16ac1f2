using System.Diagnostics;
using Exo.Net.Cluster.Control;

namespace Exo.Net.Cluster;

/// <summary>
/// A worker process that this process started. It gets the cluster key as the first line of its standard input, which then stays open:
/// its end tells the worker that the parent is gone, however it went.
/// </summary>
internal sealed class WorkerProcess : IAsyncDisposable
{
    private static readonly TimeSpan LeaveTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(30);
    private readonly Process _process;

    private WorkerProcess(Process process, string name) => (_process, Name) = (process, name);

    public string Name { get; }

    public int Id => _process.Id;

    /// <summary>Ends when the process does.</summary>
    public Task Exited => _process.WaitForExitAsync();

    /// <summary>Starts the process; its error lines go to <paramref name="onErrorLine"/>, or where this process's go.</summary>
    public static WorkerProcess Start(WorkerCommand command, string leaderAddress, string name, ClusterKey key, Action<string>? onErrorLine)
    {
        var start = command.For(leaderAddress, name);
        start.RedirectStandardError = onErrorLine is not null;
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            throw new ClusterException($"{name}: could not start {command.FileName}: {e.Message}", e);
        }
        if (onErrorLine is not null)
        {
            process.ErrorDataReceived += (_, line) =>
            {
                if (line.Data is not null)
                    onErrorLine(line.Data);
            };
            process.BeginErrorReadLine();
        }
        try
        {
            process.StandardInput.WriteLine(key.Export());
            process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended already; that is found out, and told, by who waits for it.
        }
        return new WorkerProcess(process, name);
    }

    /// <summary>Lets it leave by itself, and ends it if it does not: a stopped process hears nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It is gone.
        }
        try
        {
            await Exited.WaitAsync(LeaveTimeout);
        }
        catch (TimeoutException)
        {
            _process.Kill();
            await Exited.WaitAsync(KillTimeout);
        }
        _process.Dispose();
    }
}
