using Xunit;

namespace Exo.Kernels.Tests.Cpu;

public class CpuAttentionTests
{
    // heads, group, firstHead, keyWidth, valueWidth, inKeys, window, type, then for each sequence: first position and rows.
    public static TheoryData<int, int, int, int, int, bool, int, DType, int[]> Cases => new()
    {
        { 1, 1, 0, 1, 1, false, 0, DType.F32, [0, 1] },
        { 1, 1, 0, 1, 1, false, 0, DType.F16, [15, 3] },
        { 8, 4, 0, 64, 64, false, 0, DType.F16, [0, 1, 37, 1, 1100, 1] },
        { 8, 4, 0, 64, 64, false, 0, DType.F16, [5, 70] },
        { 8, 1, 0, 16, 32, false, 0, DType.F16, [0, 65, 10, 2] },
        { 6, 3, 0, 40, 24, false, 0, DType.F32, [3, 40] },
        { 5, 2, 1, 17, 33, false, 0, DType.F16, [30, 20, 0, 1] },
        { 5, 2, 1, 17, 33, false, 0, DType.F32, [30, 20, 0, 1] },
        { 16, 16, 0, 36, 32, true, 0, DType.F16, [0, 33] },
        { 16, 16, 0, 40, 36, true, 0, DType.F32, [50, 1] },
        { 20, 20, 0, 35, 33, true, 0, DType.F16, [7, 3, 18, 1] },
        { 4, 4, 0, 8, 8, false, 7, DType.F16, [0, 40, 100, 1] },
        { 4, 2, 0, 8, 12, false, 40, DType.F32, [0, 100] },
        { 2, 2, 0, 8, 8, false, 100, DType.F16, [3000, 1, 1020, 30, 2040, 20] },
        { 2, 1, 0, 8, 8, false, 0, DType.F16, [3000, 1, 1010, 40, 4096, 1] },
        { 70, 70, 0, 4, 4, false, 0, DType.F16, [20, 2] },
        { 9, 3, 3, 20, 20, false, 1, DType.F16, [20, 20] },
        { 4, 4, 0, 8, 8, true, 0, DType.F16, [7000, 3] },
        { 1, 1, 0, 64, 64, false, 0, DType.F16, [200, 1] },
        { 4, 2, 0, 40, 128, false, 0, DType.F16, [131, 1, 64, 3] },
        { 3, 3, 0, 33, 80, false, 0, DType.F16, [150, 1, 140, 2] },
        { 5, 5, 0, 24, 64, false, 0, DType.F32, [150, 1] },
        { 6, 6, 0, 24, 64, false, 90, DType.F16, [150, 1] },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Attention_equals_the_reference_bit_for_bit(
        int heads, int group, int firstHead, int keyWidth, int valueWidth, bool inKeys, int window, DType type, int[] sequences)
    {
        int firstKvHead = firstHead / group, numKvHeads = ((firstHead + heads - 1) / group) - firstKvHead + 1;
        var layout = new KvLayout(numKvHeads, keyWidth, valueWidth, inKeys, window);
        var shape = new AttentionShape(heads, firstHead, group, firstKvHead, 0.37f);
        using var reference = new ReferenceDevice();
        float[] expected = Run(reference, layout, shape, type, sequences);
        CpuDevices.ForEach(device => CpuDevices.AssertSameBits(expected, Run(device, layout, shape, type, sequences), device.Name));
    }

    [Theory]
    [InlineData(1e-40f, 1f)]
    [InlineData(1f, 1e-7f)]
    [InlineData(1e-30f, 1e-5f)]
    [InlineData(30000f, 1f)]
    [InlineData(40000f, 1f)]
    [InlineData(1e30f, 1e-6f)]
    public void Queries_of_any_size_and_the_smallest_halves_equal_the_reference(float querySize, float cellSize)
    {
        var layout = new KvLayout(1, 32, 64);
        using var reference = new ReferenceDevice();
        float[] expected = Run(reference);
        Assert.All(expected, value => Assert.True(float.IsFinite(value)));
        CpuDevices.ForEach(device => CpuDevices.AssertSameBits(expected, Run(device), device.Name));

        float[] Run(Device device)
        {
            using KvCache cache = device.CreateKvCache(layout, DType.F16, 7);
            var batch = new StepBatch();
            batch.AddSequence(0, 101, [0, 1, 2, 3, 4, 5, 6]);
            Tensor keys = device.Write(Scaled(101 * 32, 1, cellSize), 101, 32), values = device.Write(Scaled(101 * 64, 2, cellSize), 101, 64);
            device.AppendKv(cache, batch, keys, values);
            batch.Clear();
            batch.AddSequence(100, 1, [0, 1, 2, 3, 4, 5, 6]);
            Tensor query = device.Write(Scaled(4 * 32, 3, querySize), 1, 4 * 32);
            return device.Read(device.Attention(query, cache, batch, new AttentionShape(4, 0, 4, 0, 0.1f))).ToArray();
        }

        static float[] Scaled(int count, int seed, float size) => [.. CpuDevices.Random(count, seed).Select(value => value * size / 2)];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(30)]
    public void A_value_that_halves_cannot_hold_comes_out_as_infinity(int numRows)
    {
        var layout = new KvLayout(1, 8, 8);
        using var reference = new ReferenceDevice();
        float[] expected = Run(reference);
        Assert.Contains(float.PositiveInfinity, expected);
        CpuDevices.ForEach(device => CpuDevices.AssertSameBits(expected, Run(device), device.Name));

        float[] Run(Device device)
        {
            using KvCache cache = device.CreateKvCache(layout, DType.F16, 3);
            var batch = new StepBatch();
            batch.AddSequence(0, 40, [0, 1, 2]);
            float[] values = CpuDevices.Random(40 * 8, 2);
            values[11] = 70000f;
            device.AppendKv(cache, batch, device.Write(CpuDevices.Random(40 * 8, 1), 40, 8), device.Write(values, 40, 8));
            batch.Clear();
            batch.AddSequence(40 - numRows, numRows, [0, 1, 2]);
            Tensor query = device.Write(CpuDevices.Random(numRows * 8, 3), numRows, 8);
            return device.Read(device.Attention(query, cache, batch, new AttentionShape(1, 0, 1, 0, 0.1f))).ToArray();
        }
    }

    private static float[] Run(Device device, KvLayout layout, AttentionShape shape, DType type, int[] sequences)
    {
        int numPages = 1;
        for (int i = 0; i < sequences.Length; i += 2) numPages += ((sequences[i] + sequences[i + 1] + 15) / 16) + 2;
        using KvCache cache = device.CreateKvCache(layout, type, numPages);
        FillWithNan(cache);
        var past = new StepBatch();
        var batch = new StepBatch();
        int page = numPages;
        for (int i = 0; i < sequences.Length; i += 2)
        {
            int[] pages = [.. Enumerable.Range(0, (sequences[i] + sequences[i + 1] + 15) / 16).Select(_ => --page)];
            if (sequences[i] > 0) past.AddSequence(0, sequences[i], pages);
            batch.AddSequence(sequences[i], sequences[i + 1], pages);
        }
        Append(device, cache, layout, past, 1);
        Append(device, cache, layout, batch, 2);
        int columns = shape.NumHeads * layout.KeyWidth;
        Tensor query = device.Write(CpuDevices.Random(batch.NumRows * columns, 3), batch.NumRows, columns);
        return device.Read(device.Attention(query, cache, batch, shape)).ToArray();
    }

    private static void Append(Device device, KvCache cache, KvLayout layout, StepBatch batch, int seed)
    {
        int keys = layout.NumKvHeads * layout.KeyWidth, values = layout.NumKvHeads * layout.ValueWidth;
        Tensor key = device.Write(CpuDevices.Random(batch.NumRows * keys, seed), batch.NumRows, keys);
        Tensor value = device.Write(CpuDevices.Random(batch.NumRows * values, seed + 10), batch.NumRows, values);
        device.AppendKv(cache, batch, key, layout.ValuesInKeys ? null : value);
    }

    private static unsafe void FillWithNan(KvCache cache) =>
        new Span<byte>((void*)cache.Address, checked((int)(cache.NumPages * cache.PageBytes))).Fill(0xFF);
}
