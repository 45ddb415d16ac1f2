using Exo.Testing.Kernels;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests.Contract;

public abstract class ElementwiseContractTests(Device[] subjects) : DeviceContractTests(subjects)
{
    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void RmsNorm_equals_the_reference_bit_for_bit(RmsNormCase norm) => Check(norm);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void RmsNorm_of_heads_equals_the_reference_bit_for_bit(RmsNormHeadsCase norm) => Check(norm);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void Rotations_equal_the_reference_bit_for_bit(RopeCase rope) => Check(rope);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void SiluMul_equals_the_reference_bit_for_bit(SiluMulCase product) => Check(product);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void Sums_equal_the_reference_bit_for_bit(AddCase sum) => Check(sum);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void Sums_with_a_row_equal_the_reference_bit_for_bit(AddRowCase sum) => Check(sum);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void Selected_rows_equal_the_reference_bit_for_bit(SelectRowsCase selection) => Check(selection);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void Reductions_over_leaves_equal_the_reference_bit_for_bit(AddNodesCase reduction) => Check(reduction);

    [Property(MaxTest = 50, Arbitrary = [typeof(RandomCases)])]
    public void Reductions_over_experts_equal_the_reference_bit_for_bit(AddExpertNodesCase reduction) => Check(reduction);

    [Fact]
    public void Real_shapes_equal_the_reference()
    {
        foreach (int numRows in new[] { 1, 70 })
        {
            Check(new RmsNormCase(numRows, 2048));
            Check(new RmsNormHeadsCase(numRows, 32, 64));
            Check(new RopeCase(numRows, 9, 64, 0, 32, RopePairs.Halves));
            Check(new RopeCase(numRows, 4, 192, 128, 32, RopePairs.Interleaved));
            Check(new SiluMulCase(numRows, 1536));
            Check(new AddCase(numRows, 2048));
            Check(new AddRowCase(numRows, 2048));
            Check(new SelectRowsCase(numRows, 2048, 3));
            Check(new AddNodesCase(numRows, 576, 9, 4));
        }
    }
}
