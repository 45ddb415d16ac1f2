using System.Runtime.InteropServices;
using Exo.Testing.Kernels;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests.Reference;

/// <summary>However leaves, experts and vocabulary are split over ranks, adding the ranks' nodes gives the bits of one rank.</summary>
public sealed class SplitInvarianceTests : IDisposable
{
    private readonly ReferenceDevice _device = new();

    public void Dispose() => _device.Dispose();

    [Property(MaxTest = 60)]
    public void Leaves_split_over_any_ranks_give_the_bits_of_one(int seed)
    {
        var random = new Random(seed);
        var format = (WeightFormat)random.Next(5);
        var activations = (ActivationFormat)random.Next(2);
        int numLeaves = random.Next(1, 17), numColumns = 16 + random.Next(200), numTokens = random.Next(1, 4);
        using var host = new HostWeight(random, new WeightSpec(format, 11, (numColumns + 31) / 32 * 32));
        int[] bounds = RandomValues.Bounds(random, 0, numColumns, numLeaves);
        Tensor x = _device.Write(RandomValues.Uniform(random, numTokens * numColumns), numTokens, numColumns);
        float[] whole = Add([Product(0, numLeaves)]);
        for (int numRanks = 2; numRanks <= numLeaves; numRanks++)
        {
            int[] cuts = RandomValues.Bounds(random, 0, numLeaves, numRanks);
            Assert.Equal(whole, Add([.. Enumerable.Range(0, numRanks).Select(rank => Product(cuts[rank], cuts[rank + 1]))]));
        }

        PartialSums Product(int firstLeaf, int endLeaf)
        {
            var leaves = new Leaves(numLeaves, firstLeaf, bounds[firstLeaf..(endLeaf + 1)]);
            using Weight weight = _device.Load([host.Source.Columns(bounds[firstLeaf], bounds[endLeaf])], activations, leaves);
            return _device.MatMulPartial(x.Columns(bounds[firstLeaf], bounds[endLeaf]), weight);
        }
    }

    [Property(MaxTest = 40)]
    public void Experts_split_over_any_ranks_give_the_bits_of_one(int seed)
    {
        var random = new Random(seed);
        int numExperts = random.Next(2, 10), numLeaves = random.Next(1, 5), perToken = random.Next(1, 3), numTokens = 4;
        var activations = (ActivationFormat)random.Next(2);
        const int Hidden = 16, Intermediate = 64;
        int[] bounds = RandomValues.Bounds(random, 0, Intermediate, numLeaves);
        HostWeight[] gateUp = [.. Enumerable.Range(0, numExperts + 1).Select(_ => new HostWeight(random, new WeightSpec(WeightFormat.Affine8, 2 * Intermediate, 32)))];
        HostWeight[] down = [.. Enumerable.Range(0, numExperts + 1).Select(_ => new HostWeight(random, new WeightSpec(WeightFormat.Affine4, Hidden, Intermediate)))];
        Tensor x = _device.Write(RandomValues.Uniform(random, numTokens * Hidden), numTokens, Hidden);
        Routing routing = RandomRouting(random, numTokens, numExperts, perToken);
        float[] whole = Add([Mixture(0, numExperts, 0, numLeaves, PartialLayout.OfLeaves(numLeaves, 0, numLeaves))]);

        int cut = random.Next(1, numExperts);
        Assert.Equal(whole, Add([ByExperts(0, cut, 0, 0), ByExperts(cut, numExperts, 0, numLeaves)]));
        Assert.Equal(whole, Add([ByExperts(0, cut, 0, numLeaves), ByExperts(cut, numExperts, 0, 0)]));
        if (numLeaves == 1) return;
        int middle = random.Next(1, numLeaves);
        Assert.Equal(
            whole,
            Add([Mixture(0, numExperts, 0, middle, PartialLayout.OfLeaves(numLeaves, 0, middle)),
                Mixture(0, numExperts, middle, numLeaves, PartialLayout.OfLeaves(numLeaves, middle, numLeaves))]));

        PartialSums ByExperts(int first, int end, int firstShared, int endShared) => Mixture(
            first, end, 0, numLeaves, PartialLayout.OfExperts(numLeaves, 0, numLeaves, numExperts, first, end, firstShared, endShared));

        PartialSums Mixture(int firstExpert, int endExpert, int firstLeaf, int endLeaf, PartialLayout layout)
        {
            Weight[] up = new Weight[numExperts + 1], back = new Weight[numExperts + 1];
            int start = bounds[firstLeaf], end = bounds[endLeaf];
            for (int e = 0; e <= numExperts; e++)
            {
                WeightSource source = gateUp[e].Source.Columns(0, Hidden);
                up[e] = _device.Load([source.Rows(start, end), source.Rows(Intermediate + start, Intermediate + end)], activations);
                back[e] = _device.Load([down[e].Source.Columns(start, end)], activations, new Leaves(numLeaves, firstLeaf, bounds[firstLeaf..(endLeaf + 1)]));
            }
            return _device.ExpertMlp(x, routing, new ExpertBank(layout, firstExpert, up[firstExpert..endExpert], back[firstExpert..endExpert], up[^1], back[^1]));
        }
    }

    [Fact]
    public void A_vocabulary_split_over_ranks_gives_the_rows_of_the_whole()
    {
        using var host = new HostWeight(new Random(3), new WeightSpec(WeightFormat.F16, 30, 32));
        using Weight whole = _device.Load([host.Source], ActivationFormat.Int8);
        using Weight low = _device.Load([host.Source.Rows(0, 13)], ActivationFormat.Int8), high = _device.Load([host.Source.Rows(13, 30)], ActivationFormat.Int8);
        int[] ids = [29, 0, 12, 13];
        float[] expected = _device.Read(_device.Embed(whole, 0, PartialLayout.OfLeaves(1, 0, 1), ids).Values).ToArray();
        Assert.Equal(
            expected,
            Add([_device.Embed(low, 0, PartialLayout.OfLeaves(2, 0, 1), ids), _device.Embed(high, 13, PartialLayout.OfLeaves(2, 1, 2), ids)]));
    }

    private Routing RandomRouting(Random random, int numTokens, int numExperts, int perToken)
    {
        int[] experts = [.. Enumerable.Range(0, numTokens).SelectMany(_ => RandomValues.Shuffled(random, numExperts)[..perToken].Order())];
        Tensor indices = _device.Write(MemoryMarshal.Cast<int, float>(experts), numTokens, perToken);
        return new Routing(numTokens, perToken, indices.Address, _device.Write(RandomValues.Uniform(random, experts.Length), numTokens, perToken).Address);
    }

    private float[] Add(PartialSums[] ranks)
    {
        ReductionProgram program = ReductionProgram.Compile([.. ranks.Select(rank => rank.Layout)]);
        int numTokens = ranks[0].NumTokens;
        NodeValues[] nodes =
        [
            .. ranks.SelectMany(rank => Enumerable.Range(0, rank.Layout.Nodes.Length).Select(node => new NodeValues(
                rank.Node(node).Address, rank.Values.RowStride, rank.Present == 0 ? 0 : rank.Present + (node * numTokens)))),
        ];
        return _device.Read(_device.AddNodes(program, nodes, numTokens, ranks[0].Values.NumColumns)).ToArray();
    }
}
