using Xunit;

namespace Exo.Kernels.Tests.Cpu;

public class CpuElementwiseTests
{
    public static TheoryData<int, int> Shapes
    {
        get
        {
            var data = new TheoryData<int, int>();
            foreach (int columns in new[] { 1, 3, 15, 16, 17, 31, 53, 64, 576, 2048 }) data.Add(3, columns);
            data.Add(200, 384);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void RmsNorm_equals_the_reference(int rows, int columns) => Compare(device =>
        device.RmsNorm(device.Write(CpuDevices.Random(rows * columns, 1), rows, columns), device.LoadVector(CpuDevices.Random(columns, 2)), 1e-5f));

    [Theory]
    [MemberData(nameof(Shapes))]
    public void RmsNorm_of_the_heads_of_a_view_equals_the_reference(int rows, int columns) => Compare(device =>
    {
        Tensor x = device.Write(CpuDevices.Random(rows * ((3 * columns) + 2), 1), rows, (3 * columns) + 2);
        device.RmsNormHeads(x.Columns(1, (2 * columns) + 1), columns, device.LoadVector(CpuDevices.Random(columns, 2)), 1e-6f);
        return x;
    });

    [Theory]
    [MemberData(nameof(Shapes))]
    public void SiluMul_equals_the_reference(int rows, int columns) => Compare(device =>
        device.SiluMul(device.Write(Spread(CpuDevices.Random(rows * columns * 2, 1)), rows, columns * 2)));

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Additions_equal_the_reference(int rows, int columns) => Compare(device =>
    {
        Tensor a = device.Write(CpuDevices.Random(rows * (columns + 1), 1), rows, columns + 1);
        device.Add(a.Columns(1, columns + 1), device.Write(CpuDevices.Random(rows * columns, 2), rows, columns));
        device.AddRow(a.Columns(0, columns), device.Write(CpuDevices.Random(columns, 3), 1, columns));
        return device.SelectRows(a, [2, 0, 2]);
    });

    [Theory]
    [InlineData(RopePairs.Halves, 8, 0, 8)]
    [InlineData(RopePairs.Interleaved, 8, 0, 8)]
    [InlineData(RopePairs.Halves, 64, 0, 64)]
    [InlineData(RopePairs.Halves, 96, 16, 74)]
    [InlineData(RopePairs.Interleaved, 96, 16, 74)]
    [InlineData(RopePairs.Interleaved, 2, 0, 2)]
    public void Rope_equals_the_reference(RopePairs pairs, int headDim, int offset, int rotaryDim) => Compare(device =>
    {
        const int NumRows = 70, NumHeads = 3;
        int[] positions = [.. Enumerable.Range(0, NumRows).Select(i => i * 977)];
        double[] frequencies = [.. Enumerable.Range(0, rotaryDim / 2).Select(i => 1.0 / (1 + (i * i)))];
        Tensor table = device.Arena.Allocate(NumRows, rotaryDim);
        device.RopeTable(positions, frequencies, 1.25, table);
        Tensor x = device.Write(CpuDevices.Random(NumRows * NumHeads * headDim, 5), NumRows, NumHeads * headDim);
        device.Rope(x, table, headDim, offset, pairs);
        return x;
    });

    [Theory]
    [InlineData(DType.F16, false)]
    [InlineData(DType.F32, false)]
    [InlineData(DType.F16, true)]
    [InlineData(DType.F32, true)]
    public void AppendKv_equals_the_reference(DType type, bool valuesInKeys)
    {
        var layout = new KvLayout(3, 13, 11, valuesInKeys);
        using var reference = new ReferenceDevice();
        byte[] expected = Append(reference);
        CpuDevices.ForEach(device => Assert.Equal(expected, Append(device)));

        unsafe byte[] Append(Device device)
        {
            using KvCache cache = device.CreateKvCache(layout, type, 9);
            new Span<byte>((void*)cache.Address, (int)(9 * cache.PageBytes)).Fill(7);
            var batch = new StepBatch();
            batch.AddSequence(14, 40, [8, 1, 3, 2]);
            batch.AddSequence(0, 1, [5]);
            Tensor keys = device.Write(Spread(CpuDevices.Random(41 * 39, 1)), 41, 39);
            Tensor values = device.Write(Spread(CpuDevices.Random(41 * 33, 2)), 41, 33);
            device.AppendKv(cache, batch, keys, valuesInKeys ? null : values);
            return new Span<byte>((void*)cache.Address, (int)(9 * cache.PageBytes)).ToArray();
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 5)]
    [InlineData(11, 1037)]
    public void AddNodes_equals_the_reference_with_absent_nodes(int numExperts, int columns)
    {
        const int NumTokens = 64;
        PartialLayout[] ranks = [
            PartialLayout.OfExperts(2, 0, 2, numExperts, 0, numExperts / 2, 0, 1),
            PartialLayout.OfExperts(2, 0, 2, numExperts, numExperts / 2, numExperts, 1, 2)];
        ReductionProgram program = ReductionProgram.Compile(ranks);
        Compare(device =>
        {
            var nodes = new NodeValues[program.NumNodes];
            var random = new Random(3);
            for (int i = 0; i < nodes.Length; i++)
            {
                Tensor values = device.Write(CpuDevices.Random(NumTokens * columns, i), NumTokens, columns);
                nint present = device.Arena.AllocateBytes(NumTokens);
                unsafe
                {
                    for (int t = 0; t < NumTokens; t++) ((byte*)present)[t] = (byte)random.Next(2);
                }
                nodes[i] = new NodeValues(values.Address, values.RowStride, i % 5 == 4 ? 0 : present);
            }
            return device.AddNodes(program, nodes, NumTokens, columns);
        });
    }

    private static float[] Spread(float[] values)
    {
        for (int i = 0; i < values.Length; i++) values[i] *= MathF.Pow(10f, (i % 13) - 8);
        return values;
    }

    private static void Compare(Func<Device, Tensor> compute)
    {
        using var reference = new ReferenceDevice();
        float[] expected = reference.Read(compute(reference)).ToArray();
        CpuDevices.ForEach(device => CpuDevices.AssertSameBits(expected, device.Read(compute(device)), device.Name));
    }
}
