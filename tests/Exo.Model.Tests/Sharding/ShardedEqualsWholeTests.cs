using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Testing;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Sharding;

public sealed class ShardedEqualsWholeTests
{
    [Property(MaxTest = 60)]
    public void Sharded_equals_whole_bit_for_bit_on_the_reference_device(int seed) =>
        ShardedContract.Check(seed, ThreadGroup.Create, () => new ReferenceDevice());

    [Fact]
    public void A_rank_that_adds_in_another_order_is_found_out()
    {
        int found = 0;
        for (int seed = 0; seed < 40 && found == 0; seed++)
        {
            try
            {
                ShardedContract.Check(seed, WrongOrderGroup.Create, () => new ReferenceDevice());
            }
            catch (InvalidOperationException)
            {
                found++;
            }
        }
        Assert.NotEqual(0, found);
    }
}
