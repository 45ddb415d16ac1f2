using Exo.Kernels;
using Exo.Net.Tests.Collectives;
using Exo.Testing;
using FsCheck.Xunit;

namespace Exo.Net.Tests.Sharding;

/// <summary>The product's promise over every kind of connection: random models, splits, batches and chunks give the whole model's bits.</summary>
public sealed class ShardedOverTransportsTests
{
    [Property(MaxTest = 40)]
    public void Sharded_equals_whole_over_loopback(int seed) => Check(seed, Ranks.Link.Loopback);

    [Property(MaxTest = 25)]
    public void Sharded_equals_whole_over_shared_memory(int seed) => Check(seed, Ranks.Link.SharedMemory);

    [Property(MaxTest = 25)]
    public void Sharded_equals_whole_over_TCP(int seed) => Check(seed, Ranks.Link.Tcp);

    [Property(MaxTest = 10)]
    public void Sharded_equals_whole_over_sealed_TCP(int seed) => Check(seed, Ranks.Link.SealedTcp);

    private static void Check(int seed, Ranks.Link link) => ShardedContract.Check(
        seed, (tensorRanks, numStages) => Ranks.Grid(tensorRanks, numStages, link), () => new CpuDevice(1, IsaSupport.Best));
}
