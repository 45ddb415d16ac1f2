using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.Testing;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Import;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class GgmlBlocksTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [SharedTheory]
    [InlineData(GgmlType.Q4_0)]
    [InlineData(GgmlType.Q4_1)]
    [InlineData(GgmlType.Q5_0)]
    [InlineData(GgmlType.Q5_1)]
    [InlineData(GgmlType.Q8_0)]
    [InlineData(GgmlType.Q2_K)]
    [InlineData(GgmlType.Q3_K)]
    [InlineData(GgmlType.Q4_K)]
    [InlineData(GgmlType.Q5_K)]
    [InlineData(GgmlType.Q6_K)]
    [InlineData(GgmlType.IQ4_NL)]
    [InlineData(GgmlType.IQ4_XS)]
    [InlineData(GgmlType.MXFP4)]
    public void Blocks_have_exactly_the_golden_values(GgmlType type)
    {
        using var golden = SafetensorsFile.Open(SharedFolder.PathOf("golden", "gguf", "blocks.safetensors"));
        TensorView raw = golden.Get($"{type}.raw");
        float[] expected = HostTensor.ReadFloats(golden.Get($"{type}.values"));
        float[] values = new float[expected.Length];
        GgmlBlocks.Dequantize(type, raw.Bytes(0, (int)raw.ByteLength), values);
        Assert.Equal(expected, values);
    }

    // What an import writes, read back as any reader of the layout does it.
    [SharedTheory]
    [InlineData(GgmlType.Q4_0, 4)]
    [InlineData(GgmlType.Q4_1, 4)]
    [InlineData(GgmlType.Q5_0, 8)]
    [InlineData(GgmlType.Q5_1, 8)]
    [InlineData(GgmlType.Q8_0, 8)]
    [InlineData(GgmlType.Q4_K, 4)]
    [InlineData(GgmlType.Q5_K, 8)]
    [InlineData(GgmlType.IQ4_NL, 8)]
    [InlineData(GgmlType.IQ4_XS, 8)]
    [InlineData(GgmlType.MXFP4, 8)]
    public void Affine_groups_made_of_blocks_have_exactly_the_golden_values(GgmlType type, int bits)
    {
        using var golden = SafetensorsFile.Open(SharedFolder.PathOf("golden", "gguf", "blocks.safetensors"));
        TensorView raw = golden.Get($"{type}.raw");
        TensorView expected = golden.Get($"{type}.values");
        AffineFormat format = AffineRows.FormatOf(type)!.Value;
        Assert.Equal(new AffineFormat(bits, 32), format);
        long rows = expected.Shape[0], columns = expected.Shape[1];
        byte[] q = new byte[rows * columns];
        float[] scales = new float[q.Length / 32], biases = new float[q.Length / 32];
        GgmlBlocks.Unpack(type, raw.Bytes(0, (int)raw.ByteLength), q, scales, biases);
        byte[] packed = new byte[q.Length * bits / 8];
        AffineRows.Pack(bits, q, packed);
        TensorSpec[] specs =
        [
            new("m.weight", SafetensorsDtype.U32, [rows, columns * bits / 32]), new("m.scales", SafetensorsDtype.F32, [rows, columns / 32]),
            new("m.biases", SafetensorsDtype.F32, [rows, columns / 32]),
        ];
        using (var writer = new ShardedSafetensorsWriter(_scratch.Root, specs, 1 << 20))
        {
            writer.Append("m.weight", packed);
            writer.Append("m.scales", SafetensorsFileTests.Floats(scales));
            writer.Append("m.biases", SafetensorsFileTests.Floats(biases));
            writer.Finish();
        }
        using var model = SafetensorsModel.Open(_scratch.Root);
        Assert.Equal(HostTensor.ReadFloats(expected), AffineTensor.Open(model, "m", format).Dequantize());
    }

    [Fact]
    public void A_scale_that_overflows_half_is_kept_as_float()
    {
        // 128 x 1000 is beyond F16; 1000 x (255 - 128) is what the block means.
        Assert.True(AffineRows.FitHalf([1000f]));
        Assert.False(AffineRows.FitHalf([-128 * 1000f]));
        Assert.True(AffineRows.AllFinite([-128 * 1000f]));
        Assert.False(AffineRows.AllFinite([1, float.NegativeInfinity]));
    }

    [Theory]
    [InlineData(1.00390625f, 0x3f80)] // halfway: to even, down
    [InlineData(1.01171875f, 0x3f82)] // halfway: to even, up
    [InlineData(1.004f, 0x3f81)]
    [InlineData(float.MaxValue, 0x7f80)]
    [InlineData(float.NegativeInfinity, 0xff80)]
    public void Bfloat16_is_rounded_to_nearest_even(float value, int expected)
    {
        byte[] bytes = new byte[2];
        AffineRows.Encode(SafetensorsDtype.BF16, [value], bytes);
        Assert.Equal(expected, BitConverter.ToUInt16(bytes));
    }
}
