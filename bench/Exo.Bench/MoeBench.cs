using System.CommandLine;
using System.Diagnostics;
using Exo.Kernels;

namespace Exo.Bench;

/// <summary>A mixture's MLP, routing included: one token in bytes of chosen experts per second, many in operations per second.</summary>
internal static class MoeBench
{
    private const int Hidden = 2048;
    private const int Inner = 768;
    private const int NumExperts = 64;
    private const int ExpertsPerToken = 8;
    private const int NumLayers = 2;
    private const int NumLeaves = 8;
    private static readonly RouterOptions Router = new(NumExperts, ExpertsPerToken, RouterScoring.Softmax, true);

    public static Command CreateCommand()
    {
        var threads = new Option<int>("--threads") { Description = "threads of the device", DefaultValueFactory = _ => Environment.ProcessorCount };
        var isa = new Option<Isa>("--isa") { Description = "instruction set of the device", DefaultValueFactory = _ => IsaSupport.Best };
        var command = new Command("moe", "the mixture of experts of a layer, decode and prefill") { threads, isa };
        command.SetAction(result =>
        {
            using var device = new CpuDevice(result.GetValue(threads), result.GetValue(isa));
            MachineLimits limits = MachineLimits.Measure(device);
            Console.WriteLine(
                $"{device.Name}, {limits.BytesPerSecond / 1e9:F1} GB/s, {limits.FlopsPerSecond / 1e9:F0} GFLOP/s; {NumExperts} experts of {Inner}, "
                + $"{ExpertsPerToken} chosen, hidden {Hidden}, {NumLayers} layers in turn");
            foreach (WeightFormat format in new[] { WeightFormat.BF16, WeightFormat.Affine8, WeightFormat.Affine4 }) Run(device, format);
        });
        return command;
    }

    private static void Run(CpuDevice device, WeightFormat format)
    {
        ExpertBank[] layers = [.. Enumerable.Range(0, NumLayers).Select(_ => Load(device, format))];
        foreach (int numTokens in new[] { 1, 4, 512 })
        {
            double[] seconds = new double[numTokens == 512 ? 4 : 100];
            for (int i = -NumLayers; i < seconds.Length; i++)
            {
                device.Arena.Reset();
                Tensor x = device.Write(Random(numTokens * Hidden, i), numTokens, Hidden);
                Tensor logits = device.Write(Random(numTokens * NumExperts, i), numTokens, NumExperts);
                long start = Stopwatch.GetTimestamp();
                device.ExpertMlp(x, device.Route(logits, Router), layers[(i + NumLayers) % NumLayers]);
                if (i >= 0) seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
            Array.Sort(seconds);
            double median = seconds[seconds.Length / 2], flops = 6.0 * numTokens * ExpertsPerToken * Hidden * Inner;
            double bytes = (double)(layers[0].GateUp[0].PackedBytes + layers[0].Down[0].PackedBytes) * ExpertsPerToken;
            string bandwidth = numTokens == 1 ? $", {bytes / median / 1e9:F1} GB/s" : "";
            Console.WriteLine($"{format,-8} {numTokens,4} tokens: {median * 1e3,8:F3} ms (best {seconds[0] * 1e3:F3}), {flops / median / 1e9:F1} GFLOP/s{bandwidth}");
        }
        foreach (ExpertBank layer in layers)
            foreach (Weight weight in layer.GateUp.Concat(layer.Down)) weight.Dispose();
    }

    private static ExpertBank Load(CpuDevice device, WeightFormat format)
    {
        using var gateUp = new RandomWeight(format, 2 * Inner, Hidden);
        using var down = new RandomWeight(format, Hidden, Inner);
        int[] bounds = [.. Enumerable.Range(0, NumLeaves + 1).Select(leaf => leaf * (Inner / 32) / NumLeaves * 32)];
        var leaves = new Leaves(NumLeaves, 0, bounds);
        return new ExpertBank(
            PartialLayout.OfLeaves(NumLeaves, 0, NumLeaves),
            0,
            [.. Enumerable.Range(0, NumExperts).Select(_ => device.Load([gateUp.Source], ActivationFormat.Int8))],
            [.. Enumerable.Range(0, NumExperts).Select(_ => device.Load([down.Source], ActivationFormat.Int8, leaves))]);
    }

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)random.NextDouble() - 0.5f;
        return values;
    }
}
