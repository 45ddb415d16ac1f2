namespace Exo.Kernels.Tests.Contract;

/// <summary>CPU devices: every instruction set of this machine with one and with three threads, and the best one with two.</summary>
internal static class CpuSubjects
{
    public static Device[] Create() =>
    [
        .. IsaSupport.Available.SelectMany(isa => new[] { new CpuDevice(1, isa), new CpuDevice(3, isa) }),
        new CpuDevice(2, IsaSupport.Best),
    ];
}

public sealed class CpuElementwiseContractTests() : ElementwiseContractTests(CpuSubjects.Create());

public sealed class CpuAttentionContractTests() : AttentionContractTests(CpuSubjects.Create());

public sealed class CpuMatMulContractTests() : MatMulContractTests(CpuSubjects.Create());

public sealed class CpuMoeContractTests() : MoeContractTests(CpuSubjects.Create());
