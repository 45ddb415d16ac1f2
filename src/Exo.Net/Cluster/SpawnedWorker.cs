using System.Net;
using System.Runtime.InteropServices;
using Exo.Net.Cluster.Control;

namespace Exo.Net.Cluster;

/// <summary>A worker that a leader on the same machine has started (<see cref="WorkerProcess"/>): it lives as long as its leader.</summary>
public static class SpawnedWorker
{
    // The lost control connection names the leader; the end of standard input is only the net below it.
    private static readonly TimeSpan GraceAfterInputEnds = TimeSpan.FromSeconds(1);

    /// <summary>Reads the key and serves the leader; gives the exit code: 0 after a farewell, 1 if the leader was lost.</summary>
    public static async Task<int> RunAsync(EndPoint leader, string name, NodeServices services, Stream input, TextWriter errors)
    {
        // Ctrl-C reaches every process of the terminal; when to leave is the leader's decision.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using var parentGone = new CancellationTokenSource();
        try
        {
            var keys = ClusterKeyFile.ReadLine(input);
            new Thread(() => WatchInput(input, parentGone)) { IsBackground = true, Name = "parent watch" }.Start();
            var worker = new Worker(new ControlOptions(NodeIdentity.Create(name), keys), services, errors);
            await worker.ConnectAsync(leader, parentGone.Token);
            return 0;
        }
        catch (NodeFailedException)
        {
            return 1; // the worker has said so
        }
        catch (OperationCanceledException)
        {
            await errors.WriteLineAsync($"{name}: the process that started it is gone");
            return 1;
        }
        catch (Exception e) when (e is ControlHandshakeException or ClusterKeyException)
        {
            await errors.WriteLineAsync($"{name}: {e.Message}");
            return 1;
        }
    }

    private static void WatchInput(Stream input, CancellationTokenSource parentGone)
    {
        try
        {
            while (input.ReadByte() >= 0)
            {
                // Nothing is expected after the key.
            }
        }
        catch (IOException)
        {
            // As good as its end.
        }
        Thread.Sleep(GraceAfterInputEnds);
        try
        {
            parentGone.Cancel();
        }
        catch (ObjectDisposedException)
        {
            return; // it has left by itself
        }
    }
}
