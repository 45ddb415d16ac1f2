using Exo.Testing.Kernels;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests.Contract;

public abstract class AttentionContractTests(Device[] subjects) : DeviceContractTests(subjects)
{
    [Property(MaxTest = 60, Arbitrary = [typeof(RandomCases)])]
    public void Attention_equals_the_reference_bit_for_bit(AttentionCase attention) => Check(attention);

    [Theory]
    [InlineData(DType.F16)]
    [InlineData(DType.F32)]
    public void Histories_of_several_segments_equal_the_reference(DType type)
    {
        foreach (int history in new[] { 1022, 1024, 2047, 3500 })
            Check(new AttentionCase(new KvLayout(1, 8, 8), type, new AttentionShape(3, 0, 3, 0, 0.4f), [new(history, 3), new(5, 1)]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    public void Real_heads_of_every_group_size_equal_the_reference(int groupSize)
    {
        var shape = new AttentionShape(2 * groupSize, 0, groupSize, 0, 0.125f);
        Check(new AttentionCase(new KvLayout(2, 64, 64), DType.F16, shape, [new(77, 1), new(0, 1), new(16, 1)]));
        Check(new AttentionCase(new KvLayout(2, 64, 64), DType.F16, shape, [new(0, 37), new(30, 5)]));
        Check(new AttentionCase(new KvLayout(2, 128, 128), DType.F32, shape, [new(40, 2)]));
    }

    [Fact]
    public void Windows_across_segments_equal_the_reference()
    {
        var shape = new AttentionShape(2, 0, 1, 0, 0.3f);
        foreach (int window in new[] { 1, 15, 16, 17, 1000, 1500 })
            Check(new AttentionCase(new KvLayout(2, 4, 5, false, window), DType.F16, shape, [new(2100, 2), new(0, 40)]));
    }

    [Fact]
    public void Values_inside_keys_equal_the_reference()
    {
        var shape = new AttentionShape(5, 0, 5, 0, 0.1f);
        Check(new AttentionCase(new KvLayout(1, 72, 64, true), DType.F16, shape, [new(50, 1), new(0, 20)]));
        Check(new AttentionCase(new KvLayout(1, 12, 7, true), DType.F32, shape, [new(1030, 4)]));
    }
}
