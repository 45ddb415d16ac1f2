using System.Globalization;

namespace Exo.Kernels;

/// <summary>The machine's main memory.</summary>
public static class HostMemory
{
    /// <summary>
    /// Bytes that a process can still take: the kernel's own estimate (MemAvailable) where there is one, otherwise what the runtime knows
    /// of the machine's memory and load.
    /// </summary>
    public static long AvailableBytes()
    {
        const string Key = "MemAvailable:";
        if (OperatingSystem.IsLinux() && File.Exists("/proc/meminfo"))
        {
            foreach (string line in File.ReadLines("/proc/meminfo"))
            {
                if (!line.StartsWith(Key, StringComparison.Ordinal)) continue;
                string kilobytes = line[Key.Length..].Replace("kB", "", StringComparison.Ordinal).Trim();
                if (long.TryParse(kilobytes, NumberStyles.None, CultureInfo.InvariantCulture, out long value)) return value * 1024;
            }
        }
        GCMemoryInfo memory = GC.GetGCMemoryInfo();
        return Math.Max(0, memory.TotalAvailableMemoryBytes - memory.MemoryLoadBytes);
    }
}
