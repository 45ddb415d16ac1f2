using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;
using Exo.Testing;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class RecoveringRunnerTests
{
    private static readonly GoldenCheckpoint Golden = GoldenCheckpoint.Load("llama-f32");
    private static readonly RankModel Model = new(Golden.Folder, "cpu", 1, Arithmetic.Fast, new CacheSize(128));
    private static readonly PlanRequest Request = new(Model, SplitLayout.Parse("tensor", 2));

    [Fact]
    public async Task Lost_node_is_named_until_it_is_back_and_then_the_next_sequence_is_served()
    {
        await using var lost = await InProcessCluster.StartAsync(1);
        await using var back = await InProcessCluster.StartAsync(1);
        int numTries = 0;
        var first = await lost.Leader.StartPlanAsync(Request, null, default);
        using var runner = new RecoveringRunner(first, PlanAgainAsync, default);
        var driver = new RunnerDriver(runner);
        var expected = driver.Sample([1, 2, 3], 10, new SamplingSettings());

        await lost.KillWorkersAsync();
        Assert.True(SpinWait.SpinUntil(() => first.Failure is not null, InProcessCluster.Patience));
        Assert.Equal("worker-1", Assert.Throws<NodeFailedException>(() => driver.Continue(1)).Node);
        Assert.Equal(0, numTries); // what it would go on from is lost

        var missing = Assert.Throws<NodeFailedException>(() => driver.Sample([1, 2, 3], 10, new SamplingSettings()));
        Assert.Equal("node worker-1: not back yet", missing.Message);
        Assert.Same(missing, Assert.Throws<NodeFailedException>(() => driver.Sample([1, 2, 3], 10, new SamplingSettings())));
        Assert.Equal(1, numTries); // so soon nobody is looked for again

        List<int>? got = null;
        Assert.True(SpinWait.SpinUntil(
            () => Record.Exception(() => got = driver.Sample([1, 2, 3], 10, new SamplingSettings())) is null, InProcessCluster.Patience));
        Assert.Equal(expected, got);
        Assert.Equal(2, numTries);

        Task<ClusterRunner> PlanAgainAsync(CancellationToken token) => ++numTries == 1
            ? throw new NodeFailedException("worker-1", "not back yet")
            : back.Leader.StartPlanAsync(Request, null, token);
    }

    [Fact]
    public async Task Killed_process_is_started_again_under_its_name()
    {
        using var deadline = new CancellationTokenSource(InProcessCluster.Patience);
        await using var cluster = await LocalCluster.StartAsync(1, WorkerProgram.Command, InProcessCluster.Services, null, deadline.Token);
        var first = await cluster.Leader.StartPlanAsync(Request, null, deadline.Token);
        using var runner = new RecoveringRunner(first, PlanAgainAsync, default);
        var driver = new RunnerDriver(runner);
        var expected = driver.Sample([1, 2, 3], 10, new SamplingSettings());
        int killed = cluster.ProcessIds["worker-1"];
        using (var process = System.Diagnostics.Process.GetProcessById(killed))
            process.Kill();
        Assert.True(SpinWait.SpinUntil(() => first.Failure is not null, InProcessCluster.Patience));
        Assert.Equal(expected, driver.Sample([1, 2, 3], 10, new SamplingSettings()));
        Assert.NotEqual(killed, cluster.ProcessIds["worker-1"]);

        async Task<ClusterRunner> PlanAgainAsync(CancellationToken token)
        {
            await cluster.RestoreAsync(token);
            return await cluster.Leader.StartPlanAsync(Request, null, token);
        }
    }
}
