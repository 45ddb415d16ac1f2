using System.Diagnostics;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;
using Exo.Testing;
using Xunit;

namespace Exo.Net.Tests.Cluster;

/// <summary>Real processes: what they answer, and what happens when one of them dies or stops.</summary>
[Collection(nameof(LocalClusterTests))]
[CollectionDefinition(nameof(LocalClusterTests), DisableParallelization = true)]
public sealed class LocalClusterTests
{
    private static readonly GoldenCheckpoint Golden = GoldenCheckpoint.Load("llama-f32");
    private static readonly RankModel Model = new(Golden.Folder, "cpu", 1, Arithmetic.Fast, new CacheSize(128));

    // Tests share their machine; tests/campaigns/nodes-failures measures how soon it is.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData("tensor", 2, LinkChoice.Automatic)]
    [InlineData("tensor:5:3:1", 3, LinkChoice.Tcp)]
    [InlineData("pipeline", 3, LinkChoice.Tcp)]
    [InlineData("2x2", 4, LinkChoice.Automatic)]
    public async Task Processes_give_the_tokens_of_one_node_greedy_and_sampled(string split, int numNodes, LinkChoice links)
    {
        using var whole = LocalRunner.Load(CpuDevice.Create(1), Golden.Folder, Arithmetic.Fast, new CacheSize(128));
        var expected = new RunnerDriver(whole);
        await using var run = await Run.StartAsync(split, numNodes, links);
        int[] prompt = Golden.InputIds[..8];
        Assert.Equal(expected.Sample(prompt, 60, new SamplingSettings()), run.Driver.Sample(prompt, 60, new SamplingSettings()));
        var warm = new SamplingSettings { Temperature = 0.8, Seed = 7, TopP = 0.95 };
        Assert.Equal(expected.Sample(prompt, 60, warm), run.Driver.Sample(prompt, 60, warm));
    }

    [Theory]
    [InlineData("tensor", 3, "worker-1")]
    [InlineData("tensor", 3, "worker-2")]
    [InlineData("pipeline", 3, "worker-2")]
    public async Task Killed_worker_ends_the_step_by_its_closed_socket_and_is_named(string split, int numNodes, string victim)
    {
        await using var run = await Run.StartAsync(split, numNodes, LinkChoice.Automatic);
        var (elapsed, failure) = run.UntilFailure(() => Process.GetProcessById(run.Cluster.ProcessIds[victim]).Kill());
        Assert.Equal(victim, Assert.IsType<NodeFailedException>(failure).Node);
        Assert.Contains("closed", failure.Message, StringComparison.Ordinal);
        Assert.InRange(elapsed, TimeSpan.Zero, Soon);
        Assert.IsType<NodeFailedException>(Record.Exception(() => run.Driver.Sample([1], 1, new SamplingSettings())));
    }

    [Theory]
    [InlineData("tensor", 3, "worker-2")]
    [InlineData("pipeline", 3, "worker-1")]
    public async Task Stopped_worker_ends_the_step_by_its_silence_and_is_named(string split, int numNodes, string victim)
    {
        if (OperatingSystem.IsWindows())
            return;
        await using var run = await Run.StartAsync(split, numNodes, LinkChoice.Tcp);
        var (elapsed, failure) = run.UntilFailure(() => Signal("STOP", run.Cluster.ProcessIds[victim]));
        Assert.Equal(victim, Assert.IsType<NodeFailedException>(failure).Node);
        Assert.Contains("silent", failure.Message, StringComparison.Ordinal);
        Assert.InRange(elapsed, TimeSpan.Zero, Soon);
    }

    [Fact]
    public async Task Survivors_of_a_killed_worker_take_the_next_plan()
    {
        await using var run = await Run.StartAsync("tensor", 3, LinkChoice.Automatic);
        run.UntilFailure(() => Process.GetProcessById(run.Cluster.ProcessIds["worker-1"]).Kill());
        run.Runner.Dispose();
        var request = new PlanRequest(Model, SplitLayout.Parse("tensor", 2));
        using var next = await run.Cluster.Leader.StartPlanAsync(request, null, default);
        Assert.Equal(["leader", "worker-2"], next.Nodes);
        using var whole = LocalRunner.Load(CpuDevice.Create(1), Golden.Folder, Arithmetic.Fast, new CacheSize(128));
        Assert.Equal(
            new RunnerDriver(whole).Sample([1, 2, 3], 20, new SamplingSettings()),
            new RunnerDriver(next).Sample([1, 2, 3], 20, new SamplingSettings()));
    }

    [Theory]
    [InlineData("KILL")]
    [InlineData("STOP")]
    public async Task Workers_of_a_dead_or_stopped_leader_name_it_and_exit(string signal)
    {
        if (!OperatingSystem.IsLinux())
            return;
        var start = new ProcessStartInfo(WorkerProgram.DotnetHost) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])["exec", typeof(WorkerProgram).Assembly.Location, "leader", Golden.Folder, "tensor", "3"])
            start.ArgumentList.Add(argument);
        using var leader = Process.Start(start)!;
        try
        {
            int[] workers = [.. (await leader.StandardOutput.ReadLineAsync())!.Split(' ').Select(int.Parse)];
            Assert.Equal("answered", await leader.StandardOutput.ReadLineAsync());
            Signal(signal, leader.Id);
            var patience = Stopwatch.StartNew();
            while (!workers.All(HasEnded) && patience.Elapsed < InProcessCluster.Patience)
                await Task.Delay(20);
            Assert.All(workers, worker => Assert.True(HasEnded(worker)));
        }
        finally
        {
            leader.Kill();
        }
        string errors = await leader.StandardError.ReadToEndAsync().WaitAsync(InProcessCluster.Patience);
        Assert.Contains("worker-1: lost the leader, leader at 127.0.0.1", errors, StringComparison.Ordinal);
        Assert.Contains("worker-2: lost the leader, leader at 127.0.0.1", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_left_behind_even_of_a_stopped_worker()
    {
        int[] ids;
        await using (var run = await Run.StartAsync("tensor", 3, LinkChoice.Automatic))
        {
            ids = [.. run.Cluster.ProcessIds.Values];
            if (!OperatingSystem.IsWindows())
                Signal("STOP", ids[0]);
        }
        foreach (int id in ids)
            Assert.Throws<ArgumentException>(() => Process.GetProcessById(id));
    }

    [Fact]
    public async Task Program_that_is_no_worker_is_named()
    {
        var command = new WorkerCommand(WorkerProgram.DotnetHost, ["--version"]);
        var failure = await Assert.ThrowsAsync<NodeFailedException>(() => LocalCluster.StartAsync(1, command, InProcessCluster.Services,
            _ => { }, default));
        Assert.Equal("worker-1", failure.Node);
        command = new WorkerCommand("/no/such/program", []);
        await Assert.ThrowsAsync<ClusterException>(() => LocalCluster.StartAsync(1, command, InProcessCluster.Services, null, default));
    }

    // The parent may be stopped, and then nobody collects what is left of its children.
    private static bool HasEnded(int processId)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{processId}/stat");
            return stat[stat.LastIndexOf(')') + 2] is 'Z' or 'X';
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static void Signal(string signal, int processId)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{processId}"]);
        kill.WaitForExit();
    }

    private sealed class Run : IAsyncDisposable
    {
        public required LocalCluster Cluster { get; init; }
        public required ClusterRunner Runner { get; init; }
        public required RunnerDriver Driver { get; init; }

        public static async Task<Run> StartAsync(string split, int numNodes, LinkChoice links)
        {
            using var deadline = new CancellationTokenSource(InProcessCluster.Patience);
            var cluster = await LocalCluster.StartAsync(numNodes - 1, WorkerProgram.Command, InProcessCluster.Services, null,
                deadline.Token);
            try
            {
                var request = new PlanRequest(Model, SplitLayout.Parse(split, numNodes)) { Links = links };
                var runner = await cluster.Leader.StartPlanAsync(request, null, deadline.Token);
                return new Run { Cluster = cluster, Runner = runner, Driver = new RunnerDriver(runner) };
            }
            catch
            {
                await cluster.DisposeAsync();
                throw;
            }
        }

        /// <summary>Generates; does the deed in the middle; gives the time from then to the failure.</summary>
        public (TimeSpan Elapsed, Exception Failure) UntilFailure(Action deed)
        {
            Driver.Sample([1, 2, 3], 20, new SamplingSettings());
            long done = 0;
            var doer = Task.Run(async () =>
            {
                await Task.Delay(50);
                deed();
                Volatile.Write(ref done, Stopwatch.GetTimestamp());
            });
            Action generate = () =>
            {
                for (var patience = Stopwatch.StartNew(); patience.Elapsed < InProcessCluster.Patience;)
                    Driver.Sample([1, 2, 3], 60, new SamplingSettings());
            };
            var failure = Record.Exception(generate);
            long failed = Stopwatch.GetTimestamp();
            Assert.True(doer.Wait(InProcessCluster.Patience));
            return (Stopwatch.GetElapsedTime(Volatile.Read(ref done), failed), failure!);
        }

        public async ValueTask DisposeAsync()
        {
            Runner.Dispose();
            await Cluster.DisposeAsync();
        }
    }
}
