using Xunit;

namespace Exo.Kernels.Tests.Cpu;

/// <summary>Every instruction set that this machine has, with one thread and with several.</summary>
internal static class CpuDevices
{
    public static void ForEach(Action<CpuDevice> check)
    {
        foreach (Isa isa in IsaSupport.Available)
        {
            foreach (int threads in new[] { 1, 3 })
            {
                using var device = new CpuDevice(threads, isa);
                check(device);
            }
        }
    }

    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)((random.NextDouble() * 4) - 2);
        return values;
    }

    public static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R}");
    }
}
