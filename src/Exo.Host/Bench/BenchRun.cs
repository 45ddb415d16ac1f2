using Exo.Kernels;

namespace Exo.Host.Bench;

/// <summary>
/// Runs tests in rounds. The machine's limits are measured before and after every test of every round, because they drift on shared
/// machines: shares are of what the machine could do at that moment.
/// </summary>
internal sealed class BenchRun(BenchModel model, IReadOnlyList<BenchTest> tests) : IDisposable
{
    private const int LimitMs = 50;
    private const int ProfiledSteps = 16;
    private readonly MachineLimits.MemoryProbe _memory = new(model.Cpu);

    /// <summary>A run of each test that warms up and is counted, then <paramref name="rounds"/> rounds.</summary>
    public IReadOnlyList<BenchRow> Measure(int rounds, CancellationToken cancellation)
    {
        var rows = new List<BenchRow>();
        foreach (BenchTest test in tests)
        {
            model.FillDepth(test);
            (double bytes, double flops) = CountWork(test);
            rows.Add(new BenchRow(test, bytes, flops, 0, []));
        }
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < rows.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                MachineLimits limitBefore = Limit();
                long allocated = GC.GetTotalAllocatedBytes(precise: true);
                double seconds = model.Run(tests[i]);
                allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
                MachineLimits limitAfter = Limit();
                var sample = new BenchSample(
                    seconds,
                    (limitBefore.BytesPerSecond + limitAfter.BytesPerSecond) / 2,
                    (limitBefore.FlopsPerSecond + limitAfter.FlopsPerSecond) / 2);
                rows[i] = rows[i] with { AllocatedBytes = allocated, Samples = [.. rows[i].Samples, sample] };
            }
        }
        return rows;
    }

    /// <summary>Where a test's time goes: the whole prompt, or the first steps of a generation. Per operation, and all of it.</summary>
    public (IReadOnlyDictionary<OperationKey, OperationTotals> Operations, double Seconds, int NumTokens) Profile(BenchTest test)
    {
        if (test.Kind == BenchKind.Generation) test = test with { NumTokens = Math.Min(test.NumTokens, ProfiledSteps) };
        model.Device.Clear();
        model.Device.IsOn = true;
        double seconds = model.Run(test);
        model.Device.IsOn = false;
        return (new Dictionary<OperationKey, OperationTotals>(model.Device.Totals), seconds, test.NumTokens * test.NumSequences);
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    /// <summary>Bytes and operations of a whole test. Those of a generation's step grow linearly: its middle one stands for all.</summary>
    private (double Bytes, double Flops) CountWork(BenchTest test)
    {
        model.Device.Clear();
        if (test.Kind == BenchKind.Prompt)
        {
            model.Device.IsOn = true;
            model.Run(test);
        }
        else
        {
            for (int i = 0; i < Math.Min(8, test.NumTokens / 2); i++) model.Decode(test, test.Depth + i);
            model.Device.IsOn = true;
            model.Decode(test, test.Depth + (test.NumTokens / 2));
        }
        model.Device.IsOn = false;
        OperationTotals sum = model.Device.Sum;
        int steps = test.Kind == BenchKind.Prompt ? 1 : test.NumTokens;
        return ((double)steps * (sum.WeightBytes + sum.KvBytes), (double)steps * sum.WeightFlops);
    }

    private MachineLimits Limit() => new(_memory.Measure(LimitMs), MachineLimits.MeasureFlops(model.Cpu, LimitMs));
}
