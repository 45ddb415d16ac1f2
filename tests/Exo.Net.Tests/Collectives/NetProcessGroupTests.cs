using System.Runtime.InteropServices;
using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Collectives;
using Exo.Net.Wire;
using FsCheck.Xunit;
using Xunit;
using static Exo.Net.Tests.Collectives.Ranks;

namespace Exo.Net.Tests.Collectives;

/// <summary>The other operations, and all-reduces of absent nodes and of rows in pieces.</summary>
public sealed class NetProcessGroupTests
{
    private static readonly ProcessGroupOptions Default = new();

    [Theory]
    [InlineData(2, 0)]
    [InlineData(3, 17)]
    [InlineData(8, 70_000)]
    public void AllGather_gives_every_rank_all_in_rank_order(int worldSize, int numBytes) => Run(worldSize, Link.Loopback, Default, group =>
    {
        byte[] all = new byte[worldSize * numBytes];
        for (int round = 0; round < 5; round++)
        {
            group.AllGather(Content(group.Rank + round, numBytes), all);
            for (int rank = 0; rank < worldSize; rank++)
                Assert.True(all.AsSpan(rank * numBytes, numBytes).SequenceEqual(Content(rank + round, numBytes)));
        }
    });

    [Fact]
    public void Broadcast_gives_every_rank_the_roots_bytes() => Run(4, Link.Loopback, Default, group =>
    {
        for (int root = 0; root < 4; root++)
        {
            byte[] bytes = group.Rank == root ? Content(root, 300_000) : new byte[300_000];
            group.Broadcast(root, bytes);
            Assert.True(bytes.AsSpan().SequenceEqual(Content(root, 300_000)));
        }
    });

    /// <summary>A ring in which everybody sends first: no order of calls may hang.</summary>
    [Theory]
    [InlineData(Link.Loopback)]
    [InlineData(Link.SharedMemory)]
    [InlineData(Link.SealedTcp)]
    internal void Ranks_that_all_send_16_MiB_in_a_ring_first_do_not_hang(Link link) => Run(3, link, Default, group =>
    {
        const int numBytes = 16 << 20;
        byte[] got = new byte[numBytes];
        group.Send((group.Rank + 1) % 3, Content(group.Rank, numBytes));
        int left = (group.Rank + 2) % 3;
        group.Receive(left, got);
        Assert.True(got.AsSpan().SequenceEqual(Content(left, numBytes)));
    });

    /// <summary>Embedding rows: each token's vector is on one rank, or (token 0) on none.</summary>
    [Property(MaxTest = 30)]
    public void Absent_nodes_are_skipped_and_cost_a_byte(byte world, byte tokens, int seed)
    {
        int worldSize = 2 + (world % 4);
        int numTokens = 1 + (tokens % 7);
        const int numColumns = 24;
        int[] owners = [.. Enumerable.Range(0, numTokens).Select(token => token == 0 ? -1 : new Random(seed + token).Next(worldSize))];
        Run(worldSize, Link.Loopback, Default, group =>
        {
            using var device = new ReferenceDevice();
            var reduction = new Reduction([.. Enumerable.Range(0, worldSize).Select(rank => new PartialLayout(worldSize, 0, [new PartialNode(rank, rank + 1)]))]);
            float[] values = new float[numTokens * numColumns];
            Array.Fill(values, float.NaN);
            nint present = device.Arena.AllocateBytes(numTokens);
            int numPresent = 0;
            for (int token = 0; token < numTokens; token++)
            {
                bool isHere = owners[token] == group.Rank;
                Marshal.WriteByte(present + token, isHere ? (byte)1 : (byte)0);
                if (!isHere) continue;
                numPresent++;
                for (int i = 0; i < numColumns; i++) values[(token * numColumns) + i] = token + (0.01f * i);
            }
            long before = group.Sent.Bytes;
            Tensor local = device.Write(values, numTokens, numColumns);
            Tensor sum = group.AllReduce(device, reduction, new PartialSums(reduction.Ranks[group.Rank], local, numTokens, present));
            float[] got = device.Read(sum).ToArray();
            for (int i = 0; i < got.Length; i++) Assert.Equal(owners[i / numColumns] < 0 ? 0 : (i / numColumns) + (0.01f * (i % numColumns)), got[i]);
            int message = numTokens + (numPresent * numColumns * sizeof(float));
            Assert.Equal((worldSize - 1L) * (FrameHeader.Size + message), group.Sent.Bytes - before);
        });
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void A_product_reduced_in_pieces_equals_the_whole(long savedBytes)
    {
        const int numRows = 23, numColumns = 70, numOutputs = 19, numLeaves = 7;
        float[] x = Values(numRows * numColumns, 1);
        float[] w = Values(numOutputs * numColumns, 2);
        int[] bounds = [0, 10, 20, 31, 40, 50, 64, 70];
        float[] whole = Product(new Solo(), Partition.Whole);
        var options = new ProcessGroupOptions { PipelineRows = 4, TwoPhaseSavedBytes = savedBytes };
        Run(3, Link.Loopback, options, group => Assert.Equal(whole, Product(group, new Partition(1, 3, 2))));

        float[] Product(ProcessGroup group, Partition partition)
        {
            using var device = new ReferenceDevice();
            Slice own = partition.Of(numLeaves, group.Rank);
            int[] ownBounds = bounds[own.Start..(own.End + 1)];
            GCHandle pin = GCHandle.Alloc(w, GCHandleType.Pinned);
            var source = new WeightSource
            {
                Format = WeightFormat.F32,
                Address = pin.AddrOfPinnedObject(),
                NumRows = numOutputs,
                RowLength = numColumns,
                StartColumn = ownBounds[0],
                EndColumn = ownBounds[^1],
            };
            using Weight weight = device.Load([source], ActivationFormat.Float32, new Leaves(numLeaves, own.Start, ownBounds));
            pin.Free();
            Tensor local = device.Write(x, numRows, numColumns).Columns(ownBounds[0], ownBounds[^1]);
            return device.Read(group.AllReduceMatMul(device, Reduction.OfLeaves(partition, numLeaves), local, weight)).ToArray();
        }
    }

    private static byte[] Content(int seed, int numBytes)
    {
        byte[] bytes = new byte[numBytes];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
