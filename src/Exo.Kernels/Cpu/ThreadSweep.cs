namespace Exo.Kernels;

/// <summary>
/// Finds how many threads pay on this machine: the fewest that reach nearly the best bandwidth and nearly the best arithmetic rate.
/// Second threads of a core, and cores beyond what the memory feeds, cost more in waiting for each other than they bring.
/// </summary>
public static class ThreadSweep
{
    private const double Nearly = 0.95;
    private const int MeasureMs = 15;
    private const nint ProbeBytes = 96 << 20;
    private static readonly Lazy<int> Found = new(() => Sweep(Environment.ProcessorCount));

    /// <summary>The count for this machine, measured once a process, in under half a second; on one or two cores it is the cores.</summary>
    public static int NumThreads => Found.Value;

    /// <summary>The same for a machine of which <paramref name="numCores"/> logical cores may be used.</summary>
    public static int Sweep(int numCores)
    {
        if (numCores <= 2) return Math.Max(1, numCores);
        int[] candidates = [.. new[] { numCores / 2, numCores * 3 / 4, numCores }.Distinct()];
        MachineLimits[] rates = [.. candidates.Select(Measure)];
        double bytes = Nearly * rates.Max(rate => rate.BytesPerSecond), flops = Nearly * rates.Max(rate => rate.FlopsPerSecond);
        int best = Array.FindIndex(rates, rate => rate.BytesPerSecond >= bytes && rate.FlopsPerSecond >= flops);
        return best < 0 ? numCores : candidates[best];
    }

    private static MachineLimits Measure(int numThreads)
    {
        using var device = new CpuDevice(numThreads, IsaSupport.Best);
        using var memory = new MachineLimits.MemoryProbe(device, ProbeBytes);
        return new MachineLimits(memory.Measure(MeasureMs), MachineLimits.MeasureFlops(device, MeasureMs));
    }
}
