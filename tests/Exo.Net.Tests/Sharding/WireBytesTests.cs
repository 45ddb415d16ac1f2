using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Net.Collectives;
using Exo.Net.Tests.Collectives;
using Exo.Testing;
using Xunit;

namespace Exo.Net.Tests.Sharding;

/// <summary>What a token costs on the wire, counted while a model runs, against PROTOCOL.md.</summary>
public sealed class WireBytesTests
{
    private const int NumTokens = 5;

    [Theory]
    [InlineData(2, Ranks.Link.Loopback)]
    [InlineData(2, Ranks.Link.Tcp)]
    [InlineData(2, Ranks.Link.SealedTcp)]
    [InlineData(2, Ranks.Link.SharedMemory)]
    [InlineData(4, Ranks.Link.SealedTcp)]
    internal void Decode_sends_per_token_and_layer_what_the_protocol_says(int worldSize, Ranks.Link link)
    {
        const int seed = 3, few = 3, many = 5; // two models that differ in nothing but their number of layers
        var model = new TinyModel("llama", WeightFormat.BF16, seed, few);
        long[] fewer = BytesPerToken(model, worldSize, link), more = BytesPerToken(new TinyModel("llama", WeightFormat.BF16, seed, many), worldSize, link);
        int frame = link == Ranks.Link.SealedTcp ? 48 : 32;
        long perLayer = 2L * (worldSize - 1) * ((4 * model.HiddenSize) + frame);
        Assert.All(fewer.Zip(more), pair => Assert.Equal((many - few) * perLayer, pair.Second - pair.First));
    }

    /// <summary>Bytes that each rank sends for a token of decode, averaged over some.</summary>
    private static long[] BytesPerToken(TinyModel model, int worldSize, Ranks.Link link)
    {
        string folder = Directory.CreateTempSubdirectory("exo-wire-").FullName;
        var bytes = new long[worldSize];
        try
        {
            model.Write(folder);
            Ranks.Run(worldSize, link, new ProcessGroupOptions(), group =>
            {
                var shard = new Shard(group, Partition.Even(worldSize), new Solo(), Partition.Even(1), ExpertSplit.Leaves);
                using var harness = new ModelHarness(new CpuDevice(1, IsaSupport.Best), folder, Arithmetic.Exact, shard);
                harness.Run(Step(0));
                long before = group.Sent.Bytes;
                for (int position = 1; position <= NumTokens; position++) harness.Run(Step(position));
                bytes[group.Rank] = (group.Sent.Bytes - before) / NumTokens;
            });
            return bytes;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static StepPlan Step(int position)
    {
        var plan = new StepPlan();
        SequenceStep sequence = plan.AddSequence();
        sequence.FirstPosition = position;
        sequence.Ids.Add(position);
        sequence.Pages.Add(0);
        sequence.Outputs.Add(new OutputRow(0, OutputKind.Logits));
        return plan;
    }
}
