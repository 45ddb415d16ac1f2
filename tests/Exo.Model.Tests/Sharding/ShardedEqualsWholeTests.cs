using Exo.Kernels;
using Exo.Testing;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Sharding;

public sealed class ShardedEqualsWholeTests
{
    [Property(MaxTest = 10)]
    public void Sharded_equals_whole_bit_for_bit_on_the_reference_device(int seed) =>
        ShardedContract.Check(seed, ThreadGroup.Connect, () => new ReferenceDevice());

    [Property(MaxTest = 60)]
    public void Sharded_equals_whole_bit_for_bit_on_the_cpu_device(int seed) =>
        ShardedContract.Check(seed, ThreadGroup.Connect, () => new CpuDevice(1, IsaSupport.Best));

    [Fact]
    public void A_rank_that_adds_in_another_order_is_found_out()
    {
        int found = 0;
        for (int seed = 0; seed < 40 && found == 0; seed++)
        {
            try
            {
                ShardedContract.Check(seed, WrongOrderGroup.Connect, () => new CpuDevice(1, IsaSupport.Best));
            }
            catch (InvalidOperationException)
            {
                found++;
            }
        }
        Assert.NotEqual(0, found);
    }
}
