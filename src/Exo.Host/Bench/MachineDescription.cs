using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Exo.Host.Bench;

/// <summary>The processor that figures belong to.</summary>
/// <param name="Cpu">Its name as the system gives it.</param>
/// <param name="Features">Vector instructions that this runtime can use.</param>
/// <param name="UnusedFeatures">Those that the processor has beyond, and this runtime does not expose.</param>
/// <param name="CacheBytes">The last-level cache; 0 where the system does not say.</param>
internal sealed record MachineDescription(string Cpu, IReadOnlyList<string> Features, IReadOnlyList<string> UnusedFeatures, long CacheBytes)
{
    private const string CpuInfo = "/proc/cpuinfo", Caches = "/sys/devices/system/cpu/cpu0/cache";
    private static readonly string[] _beyond = ["avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16", "avx_vnni"];

    /// <summary>This machine.</summary>
    public static MachineDescription Current { get; } = Read();

    private static MachineDescription Read()
    {
        string[] lines = File.Exists(CpuInfo) ? File.ReadAllLines(CpuInfo) : [];
        string name = Field(lines, "model name") ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
        string[] flags = (Field(lines, "flags") ?? "").Split(' ');
        return new MachineDescription(name, [.. ExposedFeatures()], [.. _beyond.Where(flag => flags.Contains(flag) && !IsExposed(flag))], LastLevelCache());
    }

    private static string? Field(string[] lines, string key) => lines.FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[^1].Trim();

    private static bool IsExposed(string flag) => flag == "avx_vnni" && AvxVnni.IsSupported;

    private static IEnumerable<string> SupportedOf(params (bool Has, string Name)[] features) => features.Where(feature => feature.Has).Select(feature => feature.Name);

    private static IEnumerable<string> ExposedFeatures() => SupportedOf(
        (Avx2.IsSupported, "AVX2"),
        (Fma.IsSupported, "FMA"),
        (AvxVnni.IsSupported, "AVX-VNNI"),
        (Avx512F.IsSupported, "AVX512F"),
        (Avx512BW.IsSupported, "AVX512BW"),
        (Avx512DQ.IsSupported, "AVX512DQ"),
        (Avx512F.VL.IsSupported, "AVX512VL"),
        (AdvSimd.IsSupported, "NEON"),
        (Dp.IsSupported, "DOTPROD"));

    private static long LastLevelCache()
    {
        long largest = 0;
        if (!Directory.Exists(Caches)) return 0;
        foreach (string index in Directory.EnumerateDirectories(Caches, "index*"))
        {
            string file = Path.Combine(index, "size");
            if (!File.Exists(file)) continue;
            string text = File.ReadAllText(file).Trim();
            long unit = text.EndsWith('K') ? 1 << 10 : text.EndsWith('M') ? 1 << 20 : 1;
            if (long.TryParse(text.TrimEnd('K', 'M'), out long size)) largest = Math.Max(largest, size * unit);
        }
        return largest;
    }
}
