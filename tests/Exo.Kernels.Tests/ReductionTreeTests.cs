using FsCheck;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests;

public sealed class ReductionTreeTests
{
    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(5, 3)]
    [InlineData(16, 8)]
    public void A_balanced_tree_is_split_after_half_of_its_leaves_rounded_up(int count, int middle) =>
        Assert.Equal(10 + middle, ReductionTree.SplitBalanced(10, 10 + count));

    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 2)]
    [InlineData(5, 4)]
    [InlineData(8, 4)]
    [InlineData(9, 8)]
    public void A_growing_tree_is_split_after_the_largest_power_of_two_below_its_count(int count, int middle) =>
        Assert.Equal(10 + middle, ReductionTree.SplitGrowing(10, 10 + count));

    [Property]
    public void A_growing_tree_contains_the_tree_of_every_power_of_two(PositiveInt size)
    {
        int count = 2 + (size.Get % 40);
        for (int power = 1; power < count; power *= 2)
            Assert.Equal([(0, power)], ReductionTree.Cover(count, 0, power, ReductionTree.SplitGrowing));
    }

    [Fact]
    public void No_range_of_16_leaves_needs_more_than_6_nodes_and_every_cover_is_exact()
    {
        for (int count = 1; count <= 16; count++)
        {
            for (int first = 0; first <= count; first++)
            {
                for (int end = first; end <= count; end++)
                {
                    var cover = ReductionTree.Cover(count, first, end, ReductionTree.SplitBalanced);
                    Assert.InRange(cover.Count, 0, 6);
                    Assert.Equal(Enumerable.Range(first, end - first), cover.SelectMany(node => Enumerable.Range(node.Start, node.End - node.Start)));
                }
            }
        }
    }

    [Fact]
    public void Even_splits_over_2_and_4_send_one_vector()
    {
        foreach (int numRanks in new[] { 2, 4 })
            for (int rank = 0; rank < numRanks; rank++)
                Assert.Single(PartialLayout.OfLeaves(16, rank * 16 / numRanks, (rank + 1) * 16 / numRanks).Nodes);
    }

    [Fact]
    public void Lanes_are_added_at_distance_8_then_4_then_2_then_1()
    {
        float[] lanes = new float[16];
        for (int i = 0; i < 16; i++) lanes[i] = (i % 5) + (1e8f * ((i % 3) - 1));
        float[] l = [.. lanes];
        float Pair(int i, int distance) => distance == 8 ? l[i] + l[i + 8] : Pair(i, distance * 2) + Pair(i + distance, distance * 2);
        Assert.Equal(Pair(0, 1), ReductionTree.AddLanes(lanes));
    }

    [Fact]
    public void A_program_for_one_rank_is_its_single_node()
    {
        ReductionProgram program = ReductionProgram.Compile([PartialLayout.OfLeaves(5, 0, 5)]);
        Assert.True(program.IsSingleNode);
        Assert.Equal([0], program.Instructions);
    }

    [Fact]
    public void Nodes_are_added_in_the_order_of_the_tree_whoever_supplies_them()
    {
        // The leaves 2..4 come first in the numbering; the tree is ((0 1) 2) + (3 4).
        ReductionProgram program = ReductionProgram.Compile([PartialLayout.OfLeaves(5, 2, 5), PartialLayout.OfLeaves(5, 0, 2)]);
        Assert.Equal([2, 0, ReductionProgram.Add, 1, ReductionProgram.Add], program.Instructions);
        Assert.Equal(2, program.MaxDepth);
    }

    [Fact]
    public void Ranks_that_overlap_or_leave_a_gap_are_refused()
    {
        Assert.Throws<ShapeException>(() => ReductionProgram.Compile([]));
        Assert.Throws<ShapeException>(() => ReductionProgram.Compile([PartialLayout.OfLeaves(4, 0, 2)]));
        Assert.Throws<ShapeException>(() => ReductionProgram.Compile([PartialLayout.OfLeaves(4, 0, 4), PartialLayout.OfLeaves(4, 0, 4)]));
        Assert.Throws<ShapeException>(() => ReductionProgram.Compile([PartialLayout.OfLeaves(4, 0, 4), PartialLayout.OfLeaves(4, 1, 2)]));
        Assert.Throws<ShapeException>(() => ReductionProgram.Compile([PartialLayout.OfLeaves(4, 0, 2), PartialLayout.OfLeaves(5, 2, 5)]));
    }

    [Fact]
    public void A_rank_may_supply_nothing()
    {
        ReductionProgram program = ReductionProgram.Compile([PartialLayout.OfLeaves(2, 0, 2), PartialLayout.OfLeaves(2, 2, 2)]);
        Assert.Equal(1, program.NumNodes);
    }
}
