using FsCheck.Xunit;
using Xunit;

namespace Exo.Kernels.Tests.Cpu;

/// <summary>Packed products equal the reference bit for bit, on every instruction set and team of this machine.</summary>
public sealed class CpuMatMulTests : IDisposable
{
    private static readonly int[] Sizes = [1, 2, 15, 16, 17, 31, 33, 53, 64, 96, 130];
    private readonly ReferenceDevice _reference = new();
    private readonly List<CpuDevice> _devices =
        [.. from isa in IsaSupport.Available from threads in new[] { 1, 2, 3 } select new CpuDevice(threads, isa)];

    public void Dispose()
    {
        _reference.Dispose();
        foreach (CpuDevice device in _devices) device.Dispose();
    }

    [Property(MaxTest = 40)]
    public void A_column_parallel_product_equals_the_reference(int seed, bool dequantize)
    {
        var random = new Random(seed);
        using var weights = new RandomWeights(seed);
        (int rowLength, int start, int end) = Columns(random);
        WeightSource[] parts = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Part(random, weights, rowLength, start, end, random.Next(2) == 0))];
        Compare(weights, parts, dequantize ? ActivationFormat.Float32 : ActivationFormat.Int8, null, random.Next(1, 30));
    }

    [Property(MaxTest = 40)]
    public void A_row_parallel_product_equals_the_reference(int seed, bool dequantize)
    {
        var random = new Random(seed);
        using var weights = new RandomWeights(seed);
        (int rowLength, int start, int end) = Columns(random);
        WeightSource part = Part(random, weights, rowLength, start, end, hasRowBias: false);
        int numLeaves = random.Next(1, 17), firstLeaf = random.Next(numLeaves), count = random.Next(0, numLeaves - firstLeaf + 1);
        int[] bounds = [.. Enumerable.Range(0, count + 1).Select(i => i == 0 ? start : random.Next(start, end + 1)).Order()];
        bounds[^1] = count == 0 ? start : end;
        if (count == 0) part = part.Columns(start, start);
        Compare(weights, [part], dequantize ? ActivationFormat.Float32 : ActivationFormat.Int8, new Leaves(numLeaves, firstLeaf, bounds), random.Next(1, 20));
    }

    [Theory]
    [InlineData(WeightFormat.F32, 768, 576, 1)]
    [InlineData(WeightFormat.BF16, 960, 576, 1)]
    [InlineData(WeightFormat.BF16, 80, 512, 130)]
    [InlineData(WeightFormat.F16, 576, 1536, 7)]
    [InlineData(WeightFormat.Affine8, 960, 576, 1)]
    [InlineData(WeightFormat.Affine8, 96, 512, 250)]
    [InlineData(WeightFormat.Affine4, 3072, 576, 1)]
    [InlineData(WeightFormat.Affine4, 576, 1536, 13)]
    public void Real_shapes_equal_the_reference(WeightFormat format, int numRows, int numColumns, int numTokens)
    {
        using var weights = new RandomWeights(1);
        WeightSource part = weights.Make(format, numRows, numColumns, 0, numColumns, 32, DType.F16, AffineKind.Symmetric, hasRowBias: false);
        Compare(weights, [part], ActivationFormat.Int8, null, numTokens);
        int[] bounds = [.. Enumerable.Range(0, 17).Select(i => i * (numColumns / 32) / 16 * 32)];
        Compare(weights, [part], ActivationFormat.Int8, new Leaves(16, 0, bounds), numTokens);
    }

    [Theory]
    [InlineData(WeightFormat.F32, false)]
    [InlineData(WeightFormat.BF16, false)]
    [InlineData(WeightFormat.Affine8, false)]
    [InlineData(WeightFormat.Affine4, false)]
    [InlineData(WeightFormat.Affine4, true)]
    public void Parts_side_by_side_equal_the_reference(WeightFormat format, bool hasRowBias)
    {
        using var weights = new RandomWeights(7);
        WeightSource Make(int numRows, AffineKind kind, int groupSize = 32) =>
            weights.Make(format, numRows, 128, 0, 96, groupSize, DType.F16, kind, hasRowBias);
        WeightSource[][] cases =
        [
            [Make(48, AffineKind.Symmetric), Make(16, AffineKind.Symmetric), Make(40, AffineKind.Symmetric)],
            [Make(24, AffineKind.Symmetric), Make(16, AffineKind.Symmetric), Make(16, AffineKind.Symmetric)],
            [Make(80, AffineKind.Symmetric), Make(80, AffineKind.Asymmetric), Make(80, AffineKind.Asymmetric)],
            [Make(32, AffineKind.Asymmetric), Make(32, AffineKind.Asymmetric, groupSize: 64), Make(32, AffineKind.Asymmetric, groupSize: 64)],
        ];
        foreach (WeightSource[] parts in cases)
            foreach (int numTokens in new[] { 1, 5 }) Compare(weights, parts, ActivationFormat.Int8, null, numTokens);
    }

    [Fact]
    public void A_weight_keeps_its_values_when_others_of_its_device_are_gone()
    {
        using var weights = new RandomWeights(8);
        WeightSource part = weights.Make(WeightFormat.Affine4, 320, 256, 0, 256, 32, DType.F16, AffineKind.Asymmetric, hasRowBias: false);
        float[] values = weights.Activations(256);
        using Weight expectedWeight = _reference.Load([part], ActivationFormat.Int8);
        float[] expected = _reference.Read(_reference.MatMul(_reference.Write(values, 1, 256), expectedWeight)).ToArray();
        var device = new CpuDevice(2, IsaSupport.Best);
        var gone = new List<Weight> { device.Load([part], ActivationFormat.Int8) };
        using Weight kept = device.Load([part], ActivationFormat.Int8);
        for (int i = 0; i < 3; i++) gone.Add(device.Load([part], ActivationFormat.Int8));
        foreach (Weight weight in gone) weight.Dispose();
        AssertSameBits(expected, device.Read(device.MatMul(device.Write(values, 1, 256), kept)), device);
        device.Dispose(); // before the weight
    }

    [Property(MaxTest = 30)]
    public void Embedded_rows_equal_the_reference(int seed, bool dequantize)
    {
        var random = new Random(seed);
        using var weights = new RandomWeights(seed);
        (int rowLength, int start, int end) = Columns(random);
        WeightSource part = Part(random, weights, rowLength, start, end, hasRowBias: false);
        int[] ids = [.. Enumerable.Range(0, 9).Select(_ => random.Next(part.NumRows + 20))];
        var layout = PartialLayout.OfLeaves(4, 1, 2);
        ActivationFormat activations = dequantize ? ActivationFormat.Float32 : ActivationFormat.Int8;
        using Weight expectedTable = _reference.Load([part], activations);
        PartialSums expected = _reference.Embed(expectedTable, 10, layout, ids);
        foreach (CpuDevice device in _devices)
        {
            using Weight table = device.Load([part], activations);
            PartialSums actual = device.Embed(table, 10, layout, ids);
            for (int t = 0; t < ids.Length; t++)
            {
                bool isHeld = ids[t] >= 10 && ids[t] < 10 + part.NumRows;
                Assert.Equal(isHeld, Present(actual, t));
                if (isHeld) AssertSameBits(_reference.Read(expected.Values.Rows(t, t + 1)), device.Read(actual.Values.Rows(t, t + 1)), device);
            }
            device.Arena.Reset();
        }
    }

    [Theory]
    [InlineData(0, 64)]
    [InlineData(20, 0)]
    public void Weights_without_rows_or_columns_equal_the_reference(int numRows, int numColumns)
    {
        using var weights = new RandomWeights(6);
        foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
        {
            WeightSource part = weights.Make(format, numRows, 64, 0, numColumns, 32, DType.F16, AffineKind.Asymmetric, hasRowBias: true);
            Compare(weights, [part], ActivationFormat.Int8, null, 1);
            Compare(weights, [part], ActivationFormat.Int8, null, 5);
        }
    }

    [Fact]
    public void An_id_outside_a_whole_table_is_refused()
    {
        using var weights = new RandomWeights(3);
        WeightSource part = weights.Make(WeightFormat.F32, 20, 8, 0, 8, 32, DType.F32, AffineKind.Symmetric, hasRowBias: false);
        using Weight table = _devices[0].Load([part], ActivationFormat.Float32);
        Assert.Throws<ShapeException>(() => _devices[0].Embed(table, 0, PartialLayout.OfLeaves(1, 0, 1), [20]));
    }

    [Fact]
    public void Symmetric_4_bit_weights_cost_four_and_a_half_bits()
    {
        using var weights = new RandomWeights(4);
        WeightSource part = weights.Make(WeightFormat.Affine4, 2048, 2048, 0, 2048, 32, DType.F32, AffineKind.Symmetric, hasRowBias: false);
        for (int i = 0; i < 2048 * 64; i++) RoundToHalf(part, i);
        using Weight weight = _devices[0].Load([part], ActivationFormat.Int8);
        Assert.InRange(weight.PackedBytes * 8.0 / (2048 * 2048), 4.5, 4.53);
    }

    [Fact]
    public void A_product_allocates_nothing_in_a_steady_state()
    {
        using var weights = new RandomWeights(5);
        WeightSource part = weights.Make(WeightFormat.Affine4, 160, 256, 0, 256, 32, DType.F16, AffineKind.Asymmetric, hasRowBias: false);
        CpuDevice device = _devices[^2];
        using Weight weight = device.Load([part], ActivationFormat.Int8);
        float[] values = weights.Activations(5 * 256);
        Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Step()
        {
            device.Arena.Reset();
            Tensor x = device.Write(values, 5, 256);
            device.MatMul(x, weight);
            device.MatMul(x.Rows(1, 2), weight);
        }
    }

    private static unsafe bool Present(PartialSums sums, int token) => ((byte*)sums.Present)[token] != 0;

    private static unsafe void RoundToHalf(WeightSource part, int group)
    {
        ((float*)part.Scales)[group] = (float)(Half)((float*)part.Scales)[group];
        ((float*)part.Biases)[group] = -8 * ((float*)part.Scales)[group];
    }

    private static (int RowLength, int Start, int End) Columns(Random random)
    {
        int rowLength = 128 * random.Next(1, 6);
        int length = Math.Min(Sizes[random.Next(Sizes.Length)] * random.Next(1, 4), rowLength);
        int start = random.Next(3) == 0 ? 0 : random.Next(rowLength - length + 1);
        return (rowLength, start, start + length);
    }

    private static WeightSource Part(Random random, RandomWeights weights, int rowLength, int start, int end, bool hasRowBias) => weights.Make(
        (WeightFormat)random.Next(5), Sizes[random.Next(Sizes.Length)], rowLength, start, end, 32 << random.Next(3), (DType)random.Next(3),
        (AffineKind)random.Next(2), hasRowBias);

    private void Compare(RandomWeights weights, WeightSource[] parts, ActivationFormat activations, Leaves? leaves, int numTokens)
    {
        int numColumns = parts[0].NumColumns;
        float[] values = weights.Activations(numTokens * (numColumns + 3));
        float[] expected = Multiply(_reference, parts, activations, leaves, values, numTokens).ToArray();
        foreach (CpuDevice device in _devices) AssertSameBits(expected, Multiply(device, parts, activations, leaves, values, numTokens), device);
    }

    private static ReadOnlySpan<float> Multiply(
        Device device, WeightSource[] parts, ActivationFormat activations, Leaves? leaves, float[] values, int numTokens)
    {
        using Weight weight = device.Load(parts, activations, leaves);
        device.Arena.Reset();
        Tensor x = device.Write(values, numTokens, weight.NumColumns + 3).Columns(2, weight.NumColumns + 2);
        return device.Read(leaves is null ? device.MatMul(x, weight) : device.MatMulPartial(x, weight).Values);
    }

    private static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, CpuDevice device)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"element {i} of {expected.Length} on {device.Name}: expected {expected[i]:R}, got {actual[i]:R}");
    }
}
