using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Kernels.Tests.Reference;

public sealed class ReferenceMatMulTests : IDisposable
{
    private const int NumRows = 9;
    private const int NumTokens = 3;
    private const int RowLength = 384;
    private readonly ReferenceDevice _device = new();
    private readonly Random _random = new(5);

    public static TheoryData<WeightFormat, int, DType> Formats
    {
        get
        {
            var formats = new TheoryData<WeightFormat, int, DType>
            {
                { WeightFormat.F32, 32, DType.F32 }, { WeightFormat.F16, 32, DType.F32 }, { WeightFormat.BF16, 32, DType.F32 },
            };
            foreach (WeightFormat format in new[] { WeightFormat.Affine4, WeightFormat.Affine8 })
                foreach (int groupSize in new[] { 32, 64, 128 })
                    foreach (DType type in Enum.GetValues<DType>()) formats.Add(format, groupSize, type);
            return formats;
        }
    }

    public void Dispose() => _device.Dispose();

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_agree_with_double_precision(WeightFormat format, int groupSize, DType scaleType)
    {
        using var host = new HostWeight(_random, new WeightSpec(format, NumRows, RowLength)
        {
            GroupSize = groupSize,
            ScaleType = scaleType,
            RowBias = RowBiases.Random,
        });
        foreach ((int start, int end) in new[] { (0, RowLength), (0, 1), (37, 300), (255, 257) })
        {
            WeightSource source = host.Source.Columns(start, end);
            using Weight weight = _device.Load([source], ActivationFormat.Float32);
            float[] x = RandomValues.Uniform(_random, NumTokens * (end - start));
            ReadOnlySpan<float> result = _device.Read(_device.MatMul(_device.Write(x, NumTokens, end - start), weight));
            for (int t = 0; t < NumTokens; t++)
            {
                for (int n = 0; n < NumRows; n++)
                {
                    double expected = source.RowBias![n], size = 1;
                    for (int k = start; k < end; k++)
                    {
                        double product = x[(t * (end - start)) + k - start] * NaiveWeights.Value(source, n, k);
                        expected += product;
                        size += Math.Abs(product);
                    }
                    Assert.Equal(expected, result[(t * NumRows) + n], size * 2e-6);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Integer_products_are_those_of_rounded_activations(WeightFormat format, int groupSize, DType scaleType)
    {
        if (!format.IsAffine()) return;
        using var host = new HostWeight(_random, new WeightSpec(format, NumRows, RowLength) { GroupSize = groupSize, ScaleType = scaleType });
        foreach ((int start, int end) in new[] { (0, RowLength), (37, 300), (255, 257) })
        {
            WeightSource source = host.Source.Columns(start, end);
            using Weight weight = _device.Load([source], ActivationFormat.Int8);
            float[] x = RandomValues.Uniform(_random, end - start);
            ReadOnlySpan<float> result = _device.Read(_device.MatMul(_device.Write(x, 1, end - start), weight));
            double[] rounded = RoundedByBlocks(x, start);
            for (int n = 0; n < NumRows; n++)
            {
                double expected = 0, size = 1;
                for (int k = start; k < end; k++)
                {
                    double product = rounded[k - start] * NaiveWeights.Value(source, n, k);
                    expected += product;
                    size += Math.Abs(product);
                }
                Assert.Equal(expected, result[n], size * 4e-6);
            }
        }
    }

    [Fact]
    public void Parts_lie_one_after_the_other()
    {
        using var first = new HostWeight(_random, new WeightSpec(WeightFormat.Affine4, 3, 64));
        using var second = new HostWeight(_random, new WeightSpec(WeightFormat.F16, 2, 64) { RowBias = RowBiases.Random });
        float[] x = RandomValues.Uniform(_random, 64);
        using Weight both = _device.Load([first.Source, second.Source], ActivationFormat.Int8);
        using Weight a = _device.Load([first.Source], ActivationFormat.Int8), b = _device.Load([second.Source], ActivationFormat.Int8);
        float[] expected = [.. _device.Read(_device.MatMul(_device.Write(x, 1, 64), a)), .. _device.Read(_device.MatMul(_device.Write(x, 1, 64), b))];
        Assert.Equal(expected, _device.Read(_device.MatMul(_device.Write(x, 1, 64), both)).ToArray());
    }

    [Theory]
    [InlineData(ActivationFormat.Float32)]
    [InlineData(ActivationFormat.Int8)]
    public void Embeddings_are_the_stored_rows(ActivationFormat activations)
    {
        using var host = new HostWeight(_random, new WeightSpec(WeightFormat.Affine8, 5, 64) { ScaleType = DType.BF16 });
        using Weight table = _device.Load([host.Source], activations);
        PartialSums rows = _device.Embed(table, 10, PartialLayout.OfLeaves(1, 0, 1), [14, 10]);
        for (int k = 0; k < 64; k++)
        {
            Assert.Equal(NaiveWeights.Value(host.Source, 4, k), _device.Read(rows.Values)[k], 1e-5);
            Assert.Equal(NaiveWeights.Value(host.Source, 0, k), _device.Read(rows.Values)[64 + k], 1e-5);
        }
    }

    [Fact]
    public void An_id_that_no_rank_holds_is_refused()
    {
        using var host = new HostWeight(_random, new WeightSpec(WeightFormat.F32, 5, 64));
        using Weight table = _device.Load([host.Source], ActivationFormat.Float32);
        Assert.Throws<ShapeException>(() => _device.Embed(table, 10, PartialLayout.OfLeaves(1, 0, 1), [15]));
    }

    // x rounded to multiples of absmax / 127 in blocks that end at stored columns divisible by 32.
    private static double[] RoundedByBlocks(float[] x, int startColumn)
    {
        double[] rounded = new double[x.Length];
        foreach (IGrouping<int, int> block in Enumerable.Range(0, x.Length).GroupBy(i => (startColumn + i) / 32))
        {
            float scale = block.Max(i => Math.Abs(x[i])) / 127f;
            foreach (int i in block) rounded[i] = scale == 0f ? 0.0 : Math.Round(x[i] / scale) * scale;
        }
        return rounded;
    }
}
