using System.CommandLine;
using System.Diagnostics;
using Exo.Kernels;

namespace Exo.Bench;

/// <summary>Attention alone: decode in bytes of KV cache per second, prefill in floating-point operations per second.</summary>
internal static class AttentionBench
{
    private const int NumLayers = 8;

    private static readonly Shape[] Shapes =
    [
        new("1B, 32/8 heads of 64", 32, 4, 64, 64, false),
        new("8B, 32/8 heads of 128", 32, 4, 128, 128, false),
        new("135M, 9/3 heads of 64", 9, 3, 64, 64, false),
        new("MLA, 16 heads of 576/512", 16, 16, 576, 512, true),
    ];

    private static readonly (int Context, int Rows)[] Steps = [(256, 1), (4096, 1), (512, 512), (4096, 512)];

    public static Command CreateCommand()
    {
        var threads = new Option<int>("--threads") { Description = "threads of the device", DefaultValueFactory = _ => Environment.ProcessorCount };
        var isa = new Option<Isa>("--isa") { Description = "instruction set of the device", DefaultValueFactory = _ => IsaSupport.Best };
        var only = new Option<string>("--only") { Description = "only the rows whose label contains this", DefaultValueFactory = _ => "" };
        var command = new Command("attention", "attention over cached keys and values, decode and prefill") { threads, isa, only };
        command.SetAction(result => Run(result.GetValue(threads), result.GetValue(isa), result.GetValue(only)!));
        return command;
    }

    private static int Run(int threads, Isa isa, string only)
    {
        using var device = new CpuDevice(threads, isa);
        MachineLimits limits = MachineLimits.Measure(device);
        Console.WriteLine(
            $"{device.Name}, {limits.BytesPerSecond / 1e9:F1} GB/s, {limits.FlopsPerSecond / 1e9:F0} GFLOP/s; medians; {NumLayers} layers of cache in turn");
        foreach (Shape shape in Shapes)
            foreach (DType type in new[] { DType.F16, DType.F32 })
                foreach ((int context, int rows) in Steps)
                {
                    string label = $"{shape.Name,-26} {type} {rows,4} rows to {context,5}";
                    if (label.Contains(only, StringComparison.Ordinal)) Measure(device, label, shape, type, context, rows);
                }
        return 0;
    }

    private static void Measure(CpuDevice device, string label, Shape shape, DType type, int context, int rows)
    {
        var layout = new KvLayout(shape.NumHeads / shape.GroupSize, shape.KeyWidth, shape.ValueWidth, shape.ValuesInKeys);
        var attention = new AttentionShape(shape.NumHeads, 0, shape.GroupSize, 0, 0.125f);
        int numPages = context / KvLayout.PageSize;
        var caches = new KvCache[rows == 1 ? NumLayers : 1];
        for (int i = 0; i < caches.Length; i++) caches[i] = Filled(device, layout, type, numPages);
        var batch = new StepBatch();
        batch.AddSequence(context - rows, rows, [.. Enumerable.Range(0, numPages)]);
        double[] seconds = Time(device, caches, batch, attention);
        double median = seconds[seconds.Length / 2], best = seconds[seconds.Length / 20];
        double pairs = rows * (context - ((rows - 1) / 2.0)), flops = 2.0 * pairs * shape.NumHeads * (shape.KeyWidth + shape.ValueWidth);
        double bytes = (double)layout.PageBytes(type) * numPages;
        Console.WriteLine(
            $"{label}: {median * 1e3,8:F3} ms (best {best * 1e3:F3}) {flops / median / 1e9,7:F1} GFLOP/s {bytes / median / 1e9,6:F1} GB/s");
        foreach (KvCache cache in caches) cache.Dispose();
    }

    private static double[] Time(CpuDevice device, KvCache[] caches, StepBatch batch, AttentionShape shape)
    {
        int columns = shape.NumHeads * caches[0].Layout.KeyWidth, repeats = batch.NumRows == 1 ? 400 : 12;
        float[] query = Random(batch.NumRows * columns);
        double[] seconds = new double[repeats];
        for (int i = -2; i < repeats; i++)
        {
            device.Arena.Reset();
            Tensor q = device.Write(query, batch.NumRows, columns);
            long start = Stopwatch.GetTimestamp();
            device.Attention(q, caches[(i + 2) % caches.Length], batch, shape);
            if (i >= 0) seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(seconds);
        return seconds;
    }

    private static KvCache Filled(CpuDevice device, KvLayout layout, DType type, int numPages)
    {
        KvCache cache = device.CreateKvCache(layout, type, numPages);
        var batch = new StepBatch();
        batch.AddSequence(0, numPages * KvLayout.PageSize, [.. Enumerable.Range(0, numPages)]);
        int keys = layout.NumKvHeads * layout.KeyWidth, values = layout.NumKvHeads * layout.ValueWidth;
        Tensor key = device.Write(Random(batch.NumRows * keys), batch.NumRows, keys);
        device.AppendKv(cache, batch, key, layout.ValuesInKeys ? null : device.Write(Random(batch.NumRows * values), batch.NumRows, values));
        return cache;
    }

    private static float[] Random(int count)
    {
        var random = new Random(1);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)random.NextDouble() - 0.5f;
        return values;
    }

    private sealed record Shape(string Name, int NumHeads, int GroupSize, int KeyWidth, int ValueWidth, bool ValuesInKeys);
}
