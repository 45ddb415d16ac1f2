using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Kernels.Tests.Reference;

public sealed class ReferenceAttentionTests : IDisposable
{
    private readonly ReferenceDevice _device = new();
    private readonly Random _random = new(9);

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(DType.F32, 0, 0, 5, 3, false)]
    [InlineData(DType.F16, 40, 0, 5, 3, false)]
    [InlineData(DType.F32, 2050, 0, 4, 6, false)]
    [InlineData(DType.F32, 2050, 1030, 4, 6, false)]
    [InlineData(DType.F16, 70, 17, 4, 4, false)]
    [InlineData(DType.F32, 33, 1, 4, 4, false)]
    [InlineData(DType.F16, 60, 0, 8, 6, true)]
    public void Attention_agrees_with_a_plain_softmax_in_double(DType type, int history, int window, int keyWidth, int valueWidth, bool inKeys)
    {
        const int NumRows = 3, NumHeads = 5, FirstHead = 1, GroupSize = 2, NumKvHeads = 3;
        var layout = new KvLayout(NumKvHeads, keyWidth, valueWidth, inKeys, window);
        var shape = new AttentionShape(NumHeads, FirstHead, GroupSize, 0, 0.37f);
        int length = history + NumRows;
        float[] keys = Stored(type, length * NumKvHeads * keyWidth);
        float[] values = inKeys ? keys : Stored(type, length * NumKvHeads * valueWidth);
        float[] query = RandomValues.Uniform(_random, NumRows * NumHeads * keyWidth);
        using KvCache cache = _device.CreateKvCache(layout, type, (length / 16) + 4);
        int[] pages = RandomValues.Shuffled(_random, cache.NumPages)[..((length / 16) + 1)];
        var all = new StepBatch();
        all.AddSequence(0, length, pages);
        _device.AppendKv(
            cache, all, _device.Write(keys, length, NumKvHeads * keyWidth),
            inKeys ? null : _device.Write(values, length, NumKvHeads * valueWidth));
        var step = new StepBatch();
        step.AddSequence(history, NumRows, pages);
        ReadOnlySpan<float> result = _device.Read(_device.Attention(_device.Write(query, NumRows, NumHeads * keyWidth), cache, step, shape));

        for (int t = 0; t < NumRows; t++)
        {
            for (int h = 0; h < NumHeads; h++)
            {
                int kvHead = (FirstHead + h) / GroupSize, last = history + t, first = window == 0 ? 0 : Math.Max(0, last - window + 1);
                double[] weights = new double[last + 1];
                for (int p = first; p <= last; p++)
                {
                    double dot = 0;
                    for (int d = 0; d < keyWidth; d++)
                        dot += (double)query[(((t * NumHeads) + h) * keyWidth) + d] * keys[(((p * NumKvHeads) + kvHead) * keyWidth) + d];
                    weights[p] = Math.Exp(dot * 0.37f);
                }
                int stride = inKeys ? keyWidth : valueWidth;
                for (int d = 0; d < valueWidth; d++)
                {
                    double expected = 0;
                    for (int p = first; p <= last; p++) expected += weights[p] * values[(((p * NumKvHeads) + kvHead) * stride) + d];
                    Assert.Equal(expected / weights.Sum(), result[(((t * NumHeads) + h) * valueWidth) + d], 2e-5);
                }
            }
        }
    }

    [Fact]
    public void Rows_of_a_chunk_get_the_bits_that_they_get_one_at_a_time()
    {
        var layout = new KvLayout(1, 8, 8);
        var shape = new AttentionShape(2, 0, 2, 0, 0.4f);
        const int Length = 40;
        float[] keys = RandomValues.Uniform(_random, Length * 8), values = RandomValues.Uniform(_random, Length * 8);
        float[] query = RandomValues.Uniform(_random, Length * 16);
        using KvCache cache = _device.CreateKvCache(layout, DType.F16, 3);
        var whole = new StepBatch();
        whole.AddSequence(0, Length, [2, 0, 1]);
        _device.AppendKv(cache, whole, _device.Write(keys, Length, 8), _device.Write(values, Length, 8));
        float[] together = _device.Read(_device.Attention(_device.Write(query, Length, 16), cache, whole, shape)).ToArray();

        using KvCache other = _device.CreateKvCache(layout, DType.F16, 3);
        for (int t = 0; t < Length; t++)
        {
            var one = new StepBatch();
            one.AddSequence(t, 1, [1, 2, 0]);
            _device.AppendKv(other, one, _device.Write(keys.AsSpan(t * 8, 8), 1, 8), _device.Write(values.AsSpan(t * 8, 8), 1, 8));
            ReadOnlySpan<float> alone = _device.Read(_device.Attention(_device.Write(query.AsSpan(t * 16, 16), 1, 16), other, one, shape));
            Assert.Equal(together[(t * 16)..((t + 1) * 16)], alone.ToArray());
        }
    }

    // Random values that the cache's type holds exactly.
    private float[] Stored(DType type, int count)
    {
        float[] values = RandomValues.Uniform(_random, count);
        if (type == DType.F16) for (int i = 0; i < count; i++) values[i] = (float)(Half)values[i];
        return values;
    }
}
