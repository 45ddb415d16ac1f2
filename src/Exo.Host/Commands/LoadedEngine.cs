using Exo.Model.Generation;
using Exo.Net.Cluster;

namespace Exo.Host.Commands;

/// <summary>An engine with what stands behind it: nothing, or the nodes that run the model.</summary>
internal sealed class LoadedEngine(Engine engine, RecoveringRunner? runner = null, params IAsyncDisposable[] cluster) : IAsyncDisposable
{
    public Engine Engine { get; } = engine;

    /// <summary>Writes what every rank did as a Chrome trace.</summary>
    public async Task WriteTimelineAsync(string path)
    {
        if (runner is null) throw new ClusterException("--timeline: there are no nodes; use it with --nodes");
        await using FileStream file = File.Create(path);
        await runner.WriteTimelineAsync(file, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        Engine.Dispose();
        foreach (IAsyncDisposable part in cluster) await part.DisposeAsync();
    }
}
