using Exo.Net.Cluster;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class SplitLayoutTests
{
    [Theory]
    [InlineData("tensor", 3, "1 1 1", "1")]
    [InlineData("tensor:5:3:1", 3, "5 3 1", "1")]
    [InlineData("pipeline", 2, "1", "1 1")]
    [InlineData("pipeline:2:1", 2, "1", "2 1")]
    [InlineData("2x3", 6, "1 1", "1 1 1")]
    public void Splits_are_read(string text, int numNodes, string tensor, string stages)
    {
        var layout = SplitLayout.Parse(text, numNodes);
        Assert.Equal(tensor, string.Join(' ', layout.TensorRatios));
        Assert.Equal(stages, string.Join(' ', layout.StageRatios));
        Assert.Equal(numNodes, layout.WorldSize);
    }

    [Theory]
    [InlineData("tensor:5:3", 3, "2 nodes")]
    [InlineData("2x2", 3, "4 nodes")]
    [InlineData("tensor:5:x", 2, "no ratio")]
    [InlineData("tensor:0:1", 2, "no ratio")]
    [InlineData("ring", 2, "expected tensor")]
    [InlineData("2x", 2, "expected tensor")]
    [InlineData("999999x999999", 2, "at most")]
    [InlineData("tensor", 0, "expected 1 to")]
    public void What_cannot_be_split_so_is_refused_and_says_why(string text, int numNodes, string why) =>
        Assert.Contains(why, Assert.Throws<ClusterException>(() => SplitLayout.Parse(text, numNodes)).Message, StringComparison.Ordinal);

    [Fact]
    public void Groups_of_a_grid_meet_in_one_rank()
    {
        var layout = SplitLayout.Parse("2x3", 6);
        Assert.Equal([2, 3], layout.TensorGroupOf(3));
        Assert.Equal([1, 3, 5], layout.PipelineGroupOf(3));
        Assert.Equal((1, 1, 4), (layout.StageOf(3), layout.TensorRankOf(3), layout.ResultRank));
    }
}
