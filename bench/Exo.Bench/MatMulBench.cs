using System.CommandLine;
using System.Diagnostics;
using Exo.Kernels;

namespace Exo.Bench;

/// <summary>
/// All matmuls of a token (or of many), in the model's order, weights outside the caches, beside the machine's limits measured in the
/// same round: medians of rounds.
/// </summary>
internal static class MatMulBench
{
    private const int NumRounds = 7;

    public static Command CreateCommand()
    {
        var tests = new Option<string[]>("--test") { Description = "load, decode, batch, prefill", DefaultValueFactory = _ => ["decode", "prefill"], AllowMultipleArgumentsPerToken = true };
        var shape = new Option<string>("--shape") { Description = "1b or 135m", DefaultValueFactory = _ => "1b" };
        var formats = new Option<string[]>("--format") { Description = "f32, f16, bf16, q8, q4", DefaultValueFactory = _ => ["bf16", "q8", "q4"], AllowMultipleArgumentsPerToken = true };
        var threads = new Option<int>("--threads") { Description = "threads of the device", DefaultValueFactory = _ => Environment.ProcessorCount };
        var isa = new Option<Isa>("--isa") { Description = "instruction set of the device", DefaultValueFactory = _ => IsaSupport.Best };
        var command = new Command("matmul", "all matmuls of a token, or of many, beside the machine's limits") { tests, shape, formats, threads, isa };
        command.SetAction(result =>
        {
            using var device = new CpuDevice(result.GetValue(threads), result.GetValue(isa));
            Shape model = result.GetValue(shape) == "1b" ? new Shape(2048, 8192, 32, 8, 64, 32000, 16) : new Shape(576, 1536, 9, 3, 64, 49152, 30);
            foreach (string format in result.GetValue(formats)!) Run(device, model, format, result.GetValue(tests)!);
        });
        return command;
    }

    private static void Run(CpuDevice device, Shape model, string format, string[] tests)
    {
        WeightFormat weightFormat = format switch
        {
            "f32" => WeightFormat.F32,
            "f16" => WeightFormat.F16,
            "bf16" => WeightFormat.BF16,
            "q8" => WeightFormat.Affine8,
            "q4" => WeightFormat.Affine4,
            _ => throw new ArgumentException($"format {format}: expected f32, f16, bf16, q8 or q4"),
        };
        using var layers = new Layers(device, model, weightFormat);
        Console.WriteLine($"{device.Name}, hidden {model.Hidden}, {format}: {layers.Bytes / 1e6:F0} MB in {layers.NumLayers} layers and a head, loaded at {layers.SourceBytes / layers.LoadSeconds / 1e9:F2} GB/s, {100 * layers.CopySeconds / layers.LoadSeconds:F0}% of a first touch and copy");
        if (tests.Contains("decode")) Decode(device, layers, model);
        if (tests.Contains("batch"))
            foreach (int tokens in new[] { 2, 4, 8, 24, 32 }) Prefill(device, layers, model, tokens);
        if (tests.Contains("prefill")) Prefill(device, layers, model, 512);
    }

    private static void Decode(CpuDevice device, Layers layers, Shape model)
    {
        using var memory = new MachineLimits.MemoryProbe(device);
        var rates = new List<double>();
        var shares = new List<double>();
        layers.Step(device, 1);
        for (int round = 0; round < NumRounds; round++)
        {
            double limit = memory.Measure(60);
            long start = Stopwatch.GetTimestamp();
            int steps = 0;
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < 0.1 || steps == 0)
            {
                layers.Step(device, 1);
                steps++;
            }
            double rate = (double)layers.Bytes * steps / Stopwatch.GetElapsedTime(start).TotalSeconds;
            limit = Math.Max(limit, memory.Measure(60));
            rates.Add(rate);
            shares.Add(rate / limit);
        }
        double median = Median(rates);
        Console.WriteLine($"decode  {median / 1e9,6:F2} GB/s  {100 * Median(shares),5:F1}% of the limit {median / Median(shares) / 1e9:F1} GB/s  {median / layers.WholeModelBytes(model):F1} tokens/s (matmuls only)");
    }

    private static void Prefill(CpuDevice device, Layers layers, Shape model, int tokens)
    {
        var rates = new List<double>();
        var shares = new List<double>();
        layers.Step(device, tokens);
        for (int round = 0; round < NumRounds; round++)
        {
            double limit = MachineLimits.MeasureFlops(device, 40);
            long start = Stopwatch.GetTimestamp();
            layers.Step(device, tokens);
            double rate = 2.0 * layers.ElementsOf(tokens) * tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
            limit = Math.Max(limit, MachineLimits.MeasureFlops(device, 40));
            rates.Add(rate);
            shares.Add(rate / limit);
        }
        double median = Median(rates);
        Console.WriteLine($"{tokens,4} tokens {median / 1e9,6:F1} GFLOP/s  {100 * Median(shares),5:F1}% of the FMA limit {median / Median(shares) / 1e9:F0} GFLOP/s  {median / 2 / layers.WholeModelElements(model):F1} tokens/s (matmuls only)");
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    internal sealed record Shape(int Hidden, int Intermediate, int NumHeads, int NumKvHeads, int HeadDim, int Vocabulary, int NumLayers);

    private sealed class Layers : IDisposable
    {
        private const long TargetBytes = 250 << 20;
        private readonly List<Weight> _qkv = [], _output = [], _gateUp = [], _down = [];
        private readonly Weight _head;

        public Layers(CpuDevice device, Shape model, WeightFormat format)
        {
            (int Rows, int Columns)[] shapes =
            [
                ((model.NumHeads + (2 * model.NumKvHeads)) * model.HeadDim, model.Hidden), (model.Hidden, model.NumHeads * model.HeadDim),
                (2 * model.Intermediate, model.Hidden), (model.Hidden, model.Intermediate),
            ];
            long layerElements = shapes.Sum(s => (long)s.Rows * s.Columns);
            NumLayers = (int)Math.Clamp(TargetBytes * 8 / (layerElements * format.Bits()), 1, model.NumLayers);
            List<Weight>[] lists = [_qkv, _output, _gateUp, _down];
            for (int i = 0; i < shapes.Length; i++)
            {
                using var source = new RandomWeight(format, shapes[i].Rows, shapes[i].Columns);
                for (int layer = 0; layer < NumLayers; layer++) lists[i].Add(Load(device, source, i is 1 or 3 ? LeavesOf(shapes[i].Columns) : null));
            }
            using var head = new RandomWeight(format, model.Vocabulary, model.Hidden);
            _head = Load(device, head, null);
            Elements = (NumLayers * layerElements) + ((long)model.Vocabulary * model.Hidden);
            LayerBytes = (Bytes - _head.PackedBytes) / NumLayers;
        }

        public int NumLayers { get; }

        public long Bytes { get; private set; }

        public long LayerBytes { get; }

        public long SourceBytes { get; private set; }

        public double LoadSeconds { get; private set; }

        public double CopySeconds { get; private set; }

        public long Elements { get; }

        public double WholeModelBytes(Shape model) => (double)(LayerBytes * model.NumLayers) + _head.PackedBytes;

        public double WholeModelElements(Shape model) =>
            ((double)(Elements - ((long)model.Vocabulary * model.Hidden)) / NumLayers * model.NumLayers) + ((double)model.Vocabulary * model.Hidden);

        /// <summary>The matmuls of all layers, then the head (for all tokens, so that the work is the elements').</summary>
        public void Step(CpuDevice device, int tokens)
        {
            // With many tokens the weights are out of the way of the measurement: one layer and no head are enough.
            int numLayers = LayersOf(tokens);
            device.Arena.Reset();
            Tensor hidden = Filled(device, tokens, _qkv[0].NumColumns), attention = Filled(device, tokens, _output[0].NumColumns);
            Tensor intermediate = Filled(device, tokens, _down[0].NumColumns);
            for (int layer = 0; layer < numLayers; layer++)
            {
                device.MatMul(hidden, _qkv[layer]);
                device.MatMulPartial(attention, _output[layer]);
                device.MatMul(hidden, _gateUp[layer]);
                device.MatMulPartial(intermediate, _down[layer]);
            }
            if (numLayers == NumLayers) device.MatMul(hidden, _head);
        }

        public double ElementsOf(int tokens) =>
            LayersOf(tokens) == NumLayers ? Elements : (double)(Elements - ((long)_head.NumRows * _head.NumColumns)) / NumLayers * LayersOf(tokens);

        private int LayersOf(int tokens) => tokens < 128 ? NumLayers : Math.Min(NumLayers, (int)Math.Ceiling(60e6 / ((double)(Elements - ((long)_head.NumRows * _head.NumColumns)) / NumLayers)));

        public void Dispose()
        {
            foreach (Weight weight in (IEnumerable<Weight>)[.. _qkv, .. _output, .. _gateUp, .. _down, _head]) weight.Dispose();
        }

        private static unsafe Tensor Filled(CpuDevice device, int tokens, int columns)
        {
            Tensor x = device.Arena.Allocate(tokens, columns);
            for (int i = 0; i < tokens * columns; i++) x.Pointer[i] = ((i * 37 % 101) - 50) * 0.01f;
            return x;
        }

        private static Leaves LeavesOf(int columns)
        {
            int units = columns / 32, count = Math.Min(16, units);
            return new Leaves(count, 0, [.. Enumerable.Range(0, count + 1).Select(i => i * units / count * 32)]);
        }

        private Weight Load(CpuDevice device, RandomWeight source, Leaves? leaves)
        {
            long start = Stopwatch.GetTimestamp();
            Weight weight = device.Load([source.Source], ActivationFormat.Int8, leaves);
            LoadSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            CopySeconds += MachineLimits.MeasureCopySeconds(device, source.Source.Address, source.Source.NumRows * source.Source.RowBytes);
            SourceBytes += source.Source.NumRows * source.Source.RowBytes;
            Bytes += weight.PackedBytes;
            return weight;
        }
    }
}
