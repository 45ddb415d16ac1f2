using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Kernels.Tests.Reference;

public sealed class ReferenceElementwiseTests : IDisposable
{
    private readonly ReferenceDevice _device = new();
    private readonly Random _random = new(11);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(17)]
    [InlineData(576)]
    public void RmsNorm_agrees_with_double_precision(int size)
    {
        float[] x = RandomValues.Uniform(_random, size), gain = RandomValues.Uniform(_random, size);
        ReadOnlySpan<float> result = _device.Read(_device.RmsNorm(_device.Write(x, 1, size), _device.LoadVector(gain), 1e-5f));
        double norm = Math.Sqrt((x.Sum(v => (double)v * v) / size) + 1e-5f);
        for (int i = 0; i < size; i++) Assert.Equal(x[i] / norm * gain[i], result[i], 1e-5);
    }

    [Theory]
    [InlineData(RopePairs.Halves)]
    [InlineData(RopePairs.Interleaved)]
    public void Rope_rotates_each_pair_by_its_angle(RopePairs pairs)
    {
        const int HeadDim = 10, Offset = 1, NumPairs = 4, Position = 123_456;
        double[] frequencies = [1.0, 0.3, 0.01, 1e-5];
        float[] x = RandomValues.Uniform(_random, 2 * HeadDim);
        Tensor table = _device.Arena.Allocate(1, 2 * NumPairs), tensor = _device.Write(x, 1, 2 * HeadDim);
        _device.RopeTable([Position], frequencies, 1.5, table);
        _device.Rope(tensor, table, HeadDim, Offset, pairs);
        float[] expected = [.. x];
        for (int head = 0; head < 2; head++)
        {
            for (int i = 0; i < NumPairs; i++)
            {
                int start = (head * HeadDim) + Offset;
                (int a, int b) = pairs == RopePairs.Halves ? (start + i, start + i + NumPairs) : (start + (2 * i), start + (2 * i) + 1);
                (double sin, double cos) = Math.SinCos(Position * frequencies[i]);
                expected[a] = (float)(1.5 * ((x[a] * cos) - (x[b] * sin)));
                expected[b] = (float)(1.5 * ((x[b] * cos) + (x[a] * sin)));
            }
        }
        ReadOnlySpan<float> result = _device.Read(tensor);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], result[i], 1e-5f);
    }

    [Fact]
    public void SiluMul_agrees_with_double_precision()
    {
        float[] x = RandomValues.Uniform(_random, 60);
        ReadOnlySpan<float> result = _device.Read(_device.SiluMul(_device.Write(x, 1, 60)));
        for (int i = 0; i < 30; i++) Assert.Equal(x[i] / (1 + Math.Exp(-x[i])) * x[30 + i], result[i], 1e-6);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused_by_name()
    {
        Tensor x = _device.Write(new float[12], 3, 4), vector = _device.LoadVector(new float[5]);
        Assert.Contains("[1, 4], got [1, 5]", Assert.Throws<ShapeException>(() => _device.RmsNorm(x, vector, 1e-5f)).Message, StringComparison.Ordinal);
        Assert.Throws<ShapeException>(() => _device.Add(x, x.Columns(0, 3)));
        Assert.Throws<ShapeException>(() => _device.AddRow(x, vector));
        Assert.Throws<ShapeException>(() => _device.SelectRows(x, [3]));
        Assert.Throws<ShapeException>(() => _device.SiluMul(x.Columns(0, 3)));
        Assert.Throws<ShapeException>(() => _device.RmsNormHeads(x, 3, vector, 1e-5f));
        Assert.Throws<ShapeException>(() => _device.Read(x.Columns(0, 3)));
        Assert.Throws<ShapeException>(() => _device.Write(new float[5], 2, 3));
    }

    [Fact]
    public void Free_memory_is_known() => Assert.InRange(_device.FreeMemoryBytes, 1 << 20, long.MaxValue);
}
