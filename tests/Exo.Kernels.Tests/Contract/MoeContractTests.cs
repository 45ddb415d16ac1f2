using Exo.Testing.Kernels;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests.Contract;

public abstract class MoeContractTests(Device[] subjects) : DeviceContractTests(subjects)
{
    [Property(MaxTest = 80, Arbitrary = [typeof(RandomCases)])]
    public void Routes_equal_the_reference_bit_for_bit(RouteCase route) => Check(route);

    [Property(MaxTest = 60, Arbitrary = [typeof(RandomCases)])]
    public void Mixtures_equal_the_reference_bit_for_bit(ExpertMlpCase mixture) => Check(mixture);

    [Fact]
    public void Many_tokens_over_many_experts_equal_the_reference()
    {
        foreach (ActivationFormat activations in new[] { ActivationFormat.Float32, ActivationFormat.Int8 })
        {
            Check(new ExpertMlpCase(65, 64, 96, 32, 8)
            {
                Format = WeightFormat.Affine4,
                Activations = activations,
                NumLeaves = 3,
                EndLeaf = 3,
                Shared = SharedExpert.One,
            });
        }
        Check(new RouteCase(65, new RouterOptions(256, 8, RouterScoring.Sigmoid, true, 8, 4, 2.5f), Correction.Random));
        Check(new RouteCase(65, new RouterOptions(128, 8, RouterScoring.Softmax, true), Correction.None));
    }
}
