using Xunit;

namespace Exo.Kernels.Tests.Cpu;

public sealed class MachineLimitsTests
{
    [Fact]
    public void Limits_are_those_of_a_computer()
    {
        using var device = new CpuDevice(1, IsaSupport.Best);
        MachineLimits limits = MachineLimits.Measure(device, 10);
        Assert.InRange(limits.BytesPerSecond, 1e7, 1e13);
        Assert.InRange(limits.FlopsPerSecond, 1e8, 1e14);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void One_or_two_cores_are_all_used(int numCores) => Assert.Equal(numCores, ThreadSweep.Sweep(numCores));

    [Fact]
    public void A_sweep_finds_at_least_half_of_the_cores() => Assert.InRange(ThreadSweep.Sweep(4), 2, 4);
}
