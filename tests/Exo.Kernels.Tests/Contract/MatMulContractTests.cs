using Exo.Testing.Kernels;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests.Contract;

public abstract class MatMulContractTests(Device[] subjects) : DeviceContractTests(subjects)
{
    public static TheoryData<WeightFormat, ActivationFormat> Formats => new()
    {
        { WeightFormat.F32, ActivationFormat.Float32 },
        { WeightFormat.F16, ActivationFormat.Float32 },
        { WeightFormat.BF16, ActivationFormat.Int8 },
        { WeightFormat.Affine4, ActivationFormat.Float32 },
        { WeightFormat.Affine4, ActivationFormat.Int8 },
        { WeightFormat.Affine8, ActivationFormat.Float32 },
        { WeightFormat.Affine8, ActivationFormat.Int8 },
    };

    [Property(MaxTest = 60, Arbitrary = [typeof(RandomCases)])]
    public void Products_equal_the_reference_bit_for_bit(MatMulCase product) => Check(product);

    [Property(MaxTest = 60, Arbitrary = [typeof(RandomCases)])]
    public void Row_parallel_products_equal_the_reference_bit_for_bit(MatMulPartialCase product) => Check(product);

    [Property(MaxTest = 40, Arbitrary = [typeof(RandomCases)])]
    public void Embeddings_equal_the_reference_bit_for_bit(EmbedCase embedding) => Check(embedding);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_of_every_height_equal_the_reference(WeightFormat format, ActivationFormat activations)
    {
        for (int numTokens = 1; numTokens <= 25; numTokens++)
            foreach (int numRows in numTokens <= 8 ? new[] { 1, 15, 17, 53 } : [53])
                Check(new MatMulCase(numTokens, new LoadSpec([new WeightSpec(format, numRows, 96)], 0, 96, activations)) { Seed = numTokens });
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_larger_than_any_block_equal_the_reference(WeightFormat format, ActivationFormat activations)
    {
        Check(new MatMulCase(1, new LoadSpec([new WeightSpec(format, 293, 2080)], 0, 2080, activations)));
        Check(new MatMulCase(133, new LoadSpec([new WeightSpec(format, 149, 160)], 0, 160, activations)));
        Check(new MatMulCase(11, new LoadSpec([new WeightSpec(format, 37, 1120)], 0, 1120, activations)));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Leaves_of_a_real_shape_equal_the_reference(WeightFormat format, ActivationFormat activations)
    {
        var load = new LoadSpec([new WeightSpec(format, 57, 768)], 0, 768, activations);
        foreach (int numTokens in new[] { 1, 9 }) Check(new MatMulPartialCase(numTokens, load, 16, 0, 16));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void One_product_per_head_equals_the_reference(WeightFormat format, ActivationFormat activations)
    {
        foreach (int numTokens in new[] { 1, 6 })
        {
            Check(new MatMulHeadsCase(numTokens, 3, 64, new LoadSpec([new WeightSpec(format, 21, 64)], 0, 64, activations)));
            Check(new MatMulHeadsCase(numTokens, 3, 77, new LoadSpec([new WeightSpec(format, 32, 64)], 0, 64, activations)));
        }
    }

    [Fact]
    public void Largest_integers_do_not_saturate()
    {
        foreach (WeightFormat format in new[] { WeightFormat.Affine4, WeightFormat.Affine8 })
            foreach (int numTokens in new[] { 1, 4, 9 })
                Check(new ExtremeIntegersCase(numTokens, format));
    }
}
