using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Kernels.Tests.Contract;

public sealed class WrongDeviceTests
{
    private static readonly RouterOptions ManyExperts = new(40, 8, RouterScoring.Softmax, true);

    public static TheoryData<KernelCase> Cases =>
    [
        new MatMulCase(2, Load(WeightFormat.F32, ActivationFormat.Float32)),
        new MatMulCase(2, Load(WeightFormat.F16, ActivationFormat.Float32)),
        new MatMulCase(2, Load(WeightFormat.BF16, ActivationFormat.Int8)),
        new MatMulCase(2, Load(WeightFormat.Affine4, ActivationFormat.Float32)),
        new MatMulCase(2, Load(WeightFormat.Affine4, ActivationFormat.Int8)),
        new MatMulCase(2, Load(WeightFormat.Affine8, ActivationFormat.Int8)),
        new MatMulPartialCase(2, Load(WeightFormat.F32, ActivationFormat.Float32), 8, 0, 8),
        new MatMulPartialCase(2, Load(WeightFormat.Affine4, ActivationFormat.Int8), 8, 0, 8),
        new MatMulHeadsCase(2, 2, 128, Load(WeightFormat.F32, ActivationFormat.Float32)),
        new EmbedCase(3, Load(WeightFormat.Affine4, ActivationFormat.Int8), 10, 1, 0),
        new AddNodesCase(2, 20, 8, 8),
        new AddExpertNodesCase(5, 20, 2, 8, 4),
        new RmsNormCase(2, 100),
        new RmsNormHeadsCase(2, 3, 64),
        new RopeCase(3, 2, 16, 0, 8, RopePairs.Halves),
        new SiluMulCase(2, 30),
        new AddCase(2, 10),
        new AddRowCase(2, 10),
        new SelectRowsCase(5, 10, 4),
        new AttentionCase(new KvLayout(1, 8, 8), DType.F16, new AttentionShape(2, 0, 2, 0, 0.4f), [new(0, 1)]),
        new AttentionCase(new KvLayout(1, 8, 8), DType.F32, new AttentionShape(2, 0, 2, 0, 0.4f), [new(50, 2)]),
        new RouteCase(4, ManyExperts, Correction.None),
        new RouteCase(4, ManyExperts with { Scoring = RouterScoring.Sigmoid }, Correction.Random),
        new ExpertMlpCase(3, 20, 96, 6, 4) { NumLeaves = 3, EndLeaf = 3 },
    ];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_comparison_catches_a_device_that_adds_or_rounds_in_another_order(KernelCase kernelCase)
    {
        using var wrong = new WrongDevice();
        var mismatch = Assert.Throws<KernelMismatchException>(() => kernelCase.RequireEqual([wrong]));
        Assert.StartsWith("wrong, ", mismatch.Message, StringComparison.Ordinal);
    }

    private static LoadSpec Load(WeightFormat format, ActivationFormat activations) => new([new WeightSpec(format, 20, 128)], 0, 128, activations);
}
