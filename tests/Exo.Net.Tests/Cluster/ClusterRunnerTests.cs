using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Cluster;
using Exo.Testing;
using Xunit;

namespace Exo.Net.Tests.Cluster;

/// <summary>A model over several nodes gives the bits that it gives on one.</summary>
public sealed class ClusterRunnerTests
{
    [Theory]
    [InlineData("llama-f32", "tensor", 2, "cpu")]
    [InlineData("llama-f32", "tensor:5:3:1", 3, "cpu")]
    [InlineData("llama-f32", "pipeline", 3, "cpu")]
    [InlineData("llama-odd", "2x2", 4, "cpu")]
    [InlineData("qwen3-moe", "tensor", 2, "reference")]
    [InlineData("deepseek-v3", "tensor:2:1", 2, "reference")]
    [InlineData("mlx-4bit", "2x2", 4, "cpu")]
    public async Task Logits_are_the_same_bits_as_on_one_node(string checkpoint, string split, int numNodes, string device)
    {
        var golden = GoldenCheckpoint.Load(checkpoint);
        var model = new RankModel(golden.Folder, device, 1, Arithmetic.Fast, new CacheSize(128));
        using var whole = LocalRunner.Load(InProcessCluster.Services.CreateDevice(model), golden.Folder, Arithmetic.Fast,
            new CacheSize(128));
        var expected = new RunnerDriver(whole).Logits(golden.InputIds, 7);

        await using var cluster = await InProcessCluster.StartAsync(numNodes - 1);
        foreach (var links in new[] { LinkChoice.Automatic, LinkChoice.Tcp })
        {
            var request = new PlanRequest(model, SplitLayout.Parse(split, numNodes)) { Links = links };
            using var deadline = new CancellationTokenSource(InProcessCluster.Patience);
            using var runner = await cluster.Leader.StartPlanAsync(request, null, deadline.Token);
            var driver = new RunnerDriver(runner);
            Assert.Equal(expected, driver.Logits(golden.InputIds, 7));
            Assert.Equal(expected, driver.Logits(golden.InputIds, 3));
        }
        Assert.Equal("", cluster.Errors.ToString());
    }
}
