using System.Text.Json;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.Testing;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class AffineTensorTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [SharedTheory]
    [InlineData("mlx-2bit")]
    [InlineData("mlx-3bit")]
    [InlineData("mlx-4bit")]
    [InlineData("mlx-5bit")]
    [InlineData("mlx-6bit")]
    [InlineData("mlx-8bit")]
    public void Dequantized_weights_equal_the_golden_ones_bit_for_bit(string checkpoint)
    {
        string folder = SharedFolder.PathOf("golden", "checkpoints", checkpoint);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        JsonElement quantization = config.RootElement.GetProperty("quantization");
        var format = new AffineFormat(quantization.GetProperty("bits").GetInt32(), quantization.GetProperty("group_size").GetInt32());
        using var model = SafetensorsModel.Open(folder);
        using var golden = SafetensorsFile.Open(Path.Combine(folder, "dequantized.safetensors"));
        foreach (TensorView expected in golden.Tensors)
        {
            AffineTensor tensor = AffineTensor.Open(model, expected.Name[..^".weight".Length], format);
            Assert.Equal(HostTensor.ReadFloats(expected.Expect(tensor.Rows, tensor.Columns)), tensor.Dequantize());
        }
    }

    [Theory]
    [InlineData(4, 32, new long[] { 2, 1 })] // 8 columns are no whole group
    [InlineData(4, 64, new long[] { 2, 4 })] // half a group
    [InlineData(8, 32, new long[] { 2, 4 })] // one group of 32, but the scales have two columns
    [InlineData(6, 32, new long[] { 2, 4 })] // 128 bits are no multiple of 6
    [InlineData(4, 32, new long[] { 8 })]
    public void Shapes_that_do_not_fit_are_refused(int bits, int groupSize, long[] weightShape)
    {
        TensorSpec[] specs =
        [
            new("m.weight", SafetensorsDtype.U32, weightShape), new("m.scales", SafetensorsDtype.F16, [2, 2]),
            new("m.biases", SafetensorsDtype.F16, [2, 2]),
        ];
        using (var writer = new ShardedSafetensorsWriter(_scratch.Root, specs, 1000))
        {
            foreach (TensorSpec spec in specs) writer.Append(spec.Name, new byte[spec.ByteLength]);
            writer.Finish();
        }
        using var model = SafetensorsModel.Open(_scratch.Root);
        Assert.True(AffineTensor.Exists(model, "m"));
        Assert.Throws<SafetensorsException>(() => AffineTensor.Open(model, "m", new AffineFormat(bits, groupSize)));
    }
}
