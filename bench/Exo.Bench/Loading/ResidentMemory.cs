using System.Globalization;

namespace Exo.Bench.Loading;

/// <summary>This process's resident memory, as Linux counts it: mapped pages of files included.</summary>
internal static class ResidentMemory
{
    /// <summary>Lets the peak begin anew at what is resident now.</summary>
    public static void ResetPeak() => File.WriteAllText("/proc/self/clear_refs", "5");

    /// <summary>The most that was resident since <see cref="ResetPeak"/>.</summary>
    public static long PeakBytes()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
