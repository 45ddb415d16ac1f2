using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Collectives;
using Exo.Net.Wire;
using FsCheck.Xunit;
using Xunit;
using static Exo.Net.Tests.Collectives.Ranks;

namespace Exo.Net.Tests.Collectives;

/// <summary>The all-reduce against a local addition in tree order, bit for bit.</summary>
public sealed class AllReduceTests
{
    private static readonly ProcessGroupOptions OneShot = new() { TwoPhaseSavedBytes = long.MaxValue };
    private static readonly ProcessGroupOptions TwoPhase = new() { TwoPhaseSavedBytes = long.MinValue };

    [Property(MaxTest = 60)]
    public void AllReduce_equals_local_addition_in_tree_order(byte world, byte leaves, byte tokens, byte columns, int seed, bool twoPhase)
    {
        var random = new Random(seed);
        int worldSize = 2 + (world % 5);
        int[] ratios = [.. Enumerable.Range(0, worldSize).Select(_ => random.Next(1, 6))];
        var sums = new TreeSums(1 + (leaves % 16), 1 + (tokens % 9), 1 + (columns % 40), seed);
        Run(worldSize, Link.Loopback, twoPhase ? TwoPhase : OneShot, group =>
        {
            Reduction reduction = Reduction.OfLeaves(new Partition(ratios), sums.NumLeaves);
            Assert.Equal(sums.Expected, Reduce(group, reduction, sums));
        });
    }

    [Theory]
    [InlineData(Link.SharedMemory)]
    [InlineData(Link.Tcp)]
    [InlineData(Link.SealedTcp)]
    internal void AllReduce_is_the_same_over_every_transport(Link link)
    {
        var sums = new TreeSums(numLeaves: 16, numTokens: 37, numColumns: 1111, seed: 4);
        foreach (ProcessGroupOptions options in (ProcessGroupOptions[])[OneShot, TwoPhase])
        {
            Run(3, link, options, group =>
            {
                Reduction reduction = Reduction.OfLeaves(new Partition(5, 1, 3), sums.NumLeaves);
                for (int i = 0; i < 5; i++) Assert.Equal(sums.Expected, Reduce(group, reduction, sums));
            });
        }
    }

    /// <summary>The comparison has teeth: the same nodes added rank by rank give other bits.</summary>
    [Fact]
    public void Adding_rank_by_rank_would_be_noticed()
    {
        var sums = new TreeSums(numLeaves: 16, numTokens: 3, numColumns: 64, seed: 9);
        Reduction reduction = Reduction.OfLeaves(new Partition(5, 1, 3), sums.NumLeaves);
        float[] inOrder = new float[sums.Expected.Length];
        foreach (PartialLayout rank in reduction.Ranks)
        {
            foreach (PartialNode node in rank.Nodes)
            {
                float[] part = sums.Sum(node.FirstLeaf, node.EndLeaf);
                for (int i = 0; i < inOrder.Length; i++) inOrder[i] += part[i];
            }
        }
        Assert.NotEqual(sums.Expected, inOrder);
    }

    [Theory]
    [InlineData(2, 1, 4096)]
    [InlineData(4, 7, 100)]
    [InlineData(5, 64, 33)]
    public void Bytes_on_the_wire_equal_the_formula(int worldSize, int numTokens, int numColumns)
    {
        var sums = new TreeSums(numLeaves: 11, numTokens, numColumns, seed: 2);
        foreach (AllReduceRoute route in Enum.GetValues<AllReduceRoute>())
        {
            ProcessGroupOptions options = route == AllReduceRoute.OneShot ? OneShot : TwoPhase;
            Run(worldSize, Link.Loopback, options, group =>
            {
                Reduction reduction = Reduction.OfLeaves(Partition.Even(worldSize), sums.NumLeaves);
                AllReducePlan plan = AllReducePlan.Choose(reduction, numTokens, numColumns, options.TwoPhaseSavedBytes);
                long before = group.Sent.Bytes;
                Reduce(group, reduction, sums);
                Assert.Equal(plan.WireBytes(group.Rank, FrameHeader.Size), group.Sent.Bytes - before);
            });
        }
    }

    [Fact]
    public void Two_phases_send_fewer_bytes_where_they_are_chosen()
    {
        Reduction four = Reduction.OfLeaves(Partition.Even(4), 16);
        AllReducePlan large = AllReducePlan.Choose(four, 512, 2048, savedBytes: 786432);
        Assert.Equal(AllReduceRoute.TwoPhase, large.Route);
        Assert.Equal(512L * 2048 * 4 * 6 / 4, large.PayloadBytes(0));
        Assert.Equal(512L * 2048 * 4 * 3, (large with { Route = AllReduceRoute.OneShot }).PayloadBytes(0));
        Assert.Equal(AllReduceRoute.OneShot, AllReducePlan.Choose(four, 1, 2048, savedBytes: 786432).Route);
        Assert.Equal(AllReduceRoute.OneShot, AllReducePlan.Choose(Reduction.OfLeaves(Partition.Even(2), 16), 512, 2048, 786432).Route);
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        var sums = new TreeSums(numLeaves: 16, numTokens: 4, numColumns: 512, seed: 7);
        foreach (ProcessGroupOptions options in (ProcessGroupOptions[])[OneShot, TwoPhase])
        {
            Run(3, Link.Loopback, options, group =>
            {
                using var device = new QuietDevice();
                Reduction reduction = Reduction.OfLeaves(new Partition(5, 1, 3), sums.NumLeaves);
                PartialLayout layout = reduction.Ranks[group.Rank];
                using var memory = new NativeBuffer((nint)layout.Nodes.Length * sums.Expected.Length * sizeof(float));
                var values = new Tensor(memory.Address, layout.Nodes.Length * sums.NumTokens, sums.NumColumns, sums.NumColumns);
                long before = 0;
                for (int i = 0; i < 150; i++)
                {
                    if (i == 50) before = GC.GetAllocatedBytesForCurrentThread();
                    device.Arena.Reset();
                    group.AllReduce(device, reduction, new PartialSums(layout, values, sums.NumTokens));
                }
                Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            });
        }
    }

    [Fact]
    public void A_rank_that_leaves_ends_the_group_with_its_name()
    {
        var sums = new TreeSums(numLeaves: 8, numTokens: 2, numColumns: 16, seed: 1);
        Run(3, Link.Loopback, OneShot, group =>
        {
            Reduction reduction = Reduction.OfLeaves(Partition.Even(3), sums.NumLeaves);
            Reduce(group, reduction, sums);
            if (group.Rank == 1) return;
            var error = Assert.Throws<PeerClosedException>(() => Reduce(group, reduction, sums));
            Assert.Contains("rank", error.Peer, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void Ranks_at_different_steps_find_out()
    {
        var sums = new TreeSums(numLeaves: 8, numTokens: 2, numColumns: 16, seed: 1);
        Run(2, Link.Loopback, OneShot, group =>
        {
            group.BeginStep((uint)group.Rank);
            Exception? error = Record.Exception(() => Reduce(group, Reduction.OfLeaves(Partition.Even(2), 8), sums));
            Assert.True(error is UnexpectedMessageException or PeerClosedException, $"{error}");
        });
    }

    private static float[] Reduce(NetProcessGroup group, Reduction reduction, TreeSums sums)
    {
        using var device = new ReferenceDevice();
        PartialLayout layout = reduction.Ranks[group.Rank];
        float[] values = [.. layout.Nodes.SelectMany(node => sums.Sum(node.FirstLeaf, node.EndLeaf))];
        Tensor tensor = device.Write(values, layout.Nodes.Length * sums.NumTokens, sums.NumColumns);
        Tensor output = group.AllReduce(device, reduction, new PartialSums(layout, tensor, sums.NumTokens));
        Assert.Equal((sums.NumTokens, sums.NumColumns), (output.NumRows, output.NumColumns));
        return device.Read(output).ToArray();
    }

    /// <summary>Random values of each leaf, and their sums in tree order, computed here and nowhere else.</summary>
    private sealed class TreeSums
    {
        private readonly float[][] _leaves;

        public TreeSums(int numLeaves, int numTokens, int numColumns, int seed)
        {
            (NumLeaves, NumTokens, NumColumns) = (numLeaves, numTokens, numColumns);
            var random = new Random(seed);
            _leaves = [.. Enumerable.Range(0, numLeaves).Select(_ => Enumerable.Range(0, numTokens * numColumns)
                .Select(_ => (random.NextSingle() - 0.5f) * MathF.Pow(10, random.Next(-3, 4))).ToArray())];
            Expected = Sum(0, numLeaves);
        }

        public int NumLeaves { get; }

        public int NumTokens { get; }

        public int NumColumns { get; }

        public float[] Expected { get; }

        public float[] Sum(int start, int end)
        {
            if (end - start == 1) return _leaves[start];
            int middle = start + ((end - start + 1) / 2);
            return [.. Sum(start, middle).Zip(Sum(middle, end), (left, right) => left + right)];
        }
    }

    /// <summary>Allocates nothing itself: adds only the first node.</summary>
    private sealed class QuietDevice : ReferenceDevice
    {
        protected override unsafe void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output) =>
            new ReadOnlySpan<float>((void*)nodes[0].Address, output.NumColumns).CopyTo(new Span<float>(output.Pointer, output.NumColumns));
    }
}
