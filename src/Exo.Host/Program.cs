using System.CommandLine;
using Exo.Host.Commands;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Text;
using Exo.Model.Weights;
using Exo.Net.Cluster;
using Exo.Net.Cluster.Control;

var root = new RootCommand("Runs language models on the computers you own.")
{
    RunCommand.Create(),
    ServeCommand.Create(),
    BenchCommand.Create(),
    WorkerNodeCommand.Create(),
};
try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = TimeSpan.FromSeconds(10), // a step in progress, and a server's streams, end by themselves
    });
}
catch (OperationCanceledException)
{
    return 130;
}
catch (Exception e) when (e is ModelException or SafetensorsException or TokenizerException or ChatTemplateException or RequestException or ClusterException or ClusterKeyException or ControlHandshakeException)
{
    await Console.Error.WriteLineAsync($"exo: {e.Message}");
    return 1;
}
