using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels;

/// <summary>Vector instruction sets that the CPU kernels are written for. They differ in speed, never in a bit of the result.</summary>
public enum Isa
{
    /// <summary>The portable 128-bit API: NEON, and whatever the JIT makes of it elsewhere.</summary>
    Vector128,

    /// <summary>AVX2 and FMA.</summary>
    Avx2,

    /// <summary>AVX-512 F, BW, DQ and VL.</summary>
    Avx512,
}

/// <summary>Which instruction sets this machine has. Any of them can be forced on a device, so that one machine tests them all.</summary>
public static class IsaSupport
{
    /// <summary>The sets of this machine, the best last.</summary>
    public static IReadOnlyList<Isa> Available { get; } = [.. Enum.GetValues<Isa>().Where(IsAvailable)];

    /// <summary>The best set of this machine.</summary>
    public static Isa Best => Available[^1];

    /// <summary>True where this machine can run the kernels of <paramref name="isa"/>.</summary>
    public static bool IsAvailable(Isa isa) => isa switch
    {
        Isa.Vector128 => true,
        Isa.Avx2 => Avx2.IsSupported && Fma.IsSupported,
        Isa.Avx512 => Avx512F.VL.IsSupported && Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported && Vector512.IsHardwareAccelerated
            && IsAvailable(Isa.Avx2),
        _ => false,
    };
}
