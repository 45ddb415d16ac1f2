using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;

namespace Exo.Net.Tests.Cluster;

/// <summary>A leader in a process of its own: starts workers, prints their ids, and generates until it is ended.</summary>
internal static class LeaderProgram
{
    public static async Task<int> RunAsync(string folder, string split, int numNodes, TextWriter output)
    {
        await using var cluster = await LocalCluster.StartAsync(numNodes - 1, WorkerProgram.Command, InProcessCluster.Services, null,
            default);
        var model = new RankModel(folder, "cpu", 1, Arithmetic.Fast, new CacheSize(128));
        using var runner = await cluster.Leader.StartPlanAsync(new PlanRequest(model, SplitLayout.Parse(split, numNodes)), null, default);
        output.WriteLine(string.Join(' ', cluster.ProcessIds.Values));
        var driver = new RunnerDriver(runner);
        while (true)
        {
            driver.Sample([1, 2, 3], 50, new SamplingSettings());
            output.WriteLine("answered");
        }
    }
}
