using Xunit;

namespace Exo.Kernels.Tests.Cpu;

public class CpuAllocationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    public void Attention_and_the_elementwise_operations_allocate_nothing(int numRows)
    {
        using var device = new CpuDevice(2, IsaSupport.Best);
        var layout = new KvLayout(2, 64, 64);
        using KvCache cache = device.CreateKvCache(layout, DType.F16, 80);
        var batch = new StepBatch();
        batch.AddSequence(1100, numRows, [.. Enumerable.Range(0, 80)]);
        Tensor gain = device.LoadVector(CpuDevices.Random(512, 1));
        float[] values = CpuDevices.Random(numRows * 512, 2);
        double[] frequencies = [.. Enumerable.Range(0, 32).Select(i => 1.0 / (i + 1))];
        var shape = new AttentionShape(8, 0, 4, 0, 0.1f);
        int[] rows = [0];
        AssertAllocatesNothing(device, () =>
        {
            Tensor x = device.RmsNorm(device.Write(values, numRows, 512), gain, 1e-5f);
            Tensor table = device.Arena.Allocate(numRows, 64);
            device.RopeTable(batch.Positions, frequencies, 1, table);
            device.Rope(x, table, 64, 0, RopePairs.Halves);
            device.AppendKv(cache, batch, x.Columns(0, 128), x.Columns(128, 256));
            Tensor sum = device.Attention(x, cache, batch, shape);
            device.Add(sum, x);
            device.AddRow(sum, gain);
            device.SelectRows(device.SiluMul(sum), rows);
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public void A_mixture_of_experts_allocates_nothing(int numTokens)
    {
        using var device = new CpuDevice(2, IsaSupport.Best);
        using var zeros = new NativeBuffer(64 * 128 * sizeof(float));
        WeightSource up = Source(64, 64), down = Source(64, 32);
        var leaves = new Leaves(1, 0, [0, 32]);
        var bank = new ExpertBank(
            PartialLayout.OfLeaves(1, 0, 1),
            0,
            [.. Enumerable.Range(0, 4).Select(_ => device.Load([up], ActivationFormat.Float32))],
            [.. Enumerable.Range(0, 4).Select(_ => device.Load([down], ActivationFormat.Float32, leaves))]);
        var router = new RouterOptions(4, 2, RouterScoring.Softmax, true);
        float[] values = CpuDevices.Random(numTokens * 64, 3);
        AssertAllocatesNothing(device, () =>
        {
            Tensor x = device.Write(values, numTokens, 64);
            device.ExpertMlp(x, device.Route(x.Columns(0, 4), router), bank);
        });
        foreach (Weight weight in bank.GateUp.Concat(bank.Down)) weight.Dispose();

        WeightSource Source(int rows, int columns) => new()
        {
            Format = WeightFormat.F32,
            Address = zeros.Address,
            NumRows = rows,
            RowLength = columns,
            EndColumn = columns,
        };
    }

    private static void AssertAllocatesNothing(CpuDevice device, Action step)
    {
        for (int i = 0; i < 3; i++)
        {
            device.Arena.Reset();
            step();
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5; i++)
        {
            device.Arena.Reset();
            step();
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
