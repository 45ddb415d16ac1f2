using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Net.Collectives;

namespace Exo.Testing;

/// <summary>
/// The promise of the product as a check: a random model, split in a random way, run in random chunks and batches, gives the same bits as
/// the whole model fed one sequence at a time. Every kind of process group runs it.
/// </summary>
public static class ShardedContract
{
    private static readonly string[] _modelTypes = ["llama", "qwen3", "qwen3_moe", "deepseek_v3"];
    private static readonly WeightFormat[] _formats = [WeightFormat.BF16, WeightFormat.Affine4, WeightFormat.Affine8];

    /// <summary>Throws, naming the case, where a bit differs.</summary>
    public static void Check(int seed, Func<int, int, RankGroups[]> connect, Func<Device> createDevice)
    {
        var random = new Random(seed);
        string modelType = _modelTypes[random.Next(_modelTypes.Length)];
        var model = new TinyModel(modelType, _formats[random.Next(_formats.Length)], random.Next());
        Split split = Split.Random(random, model.NumLayers);
        var sampling = new SamplingSettings
        {
            Temperature = random.Next(4) == 0 ? 0 : random.NextDouble() * 2,
            TopK = random.Next(3) == 0 ? random.Next(1, model.VocabSize) : 0,
            TopP = random.Next(2) == 0 ? 0.05 + (0.95 * random.NextDouble()) : 1,
            MinP = random.Next(3) == 0 ? random.NextDouble() * 0.5 : 0,
            Seed = (ulong)random.NextInt64(),
            RepetitionPenalty = random.Next(3) == 0 ? 1.3f : 1,
            PresencePenalty = random.Next(3) == 0 ? 0.5f : 0,
            NumTopLogprobs = random.Next(-1, 4),
        };
        Arithmetic arithmetic = random.Next(4) == 0 ? Arithmetic.Exact : Arithmetic.Fast;
        var steps = new RandomSteps(model, random, 40);
        string folder = Directory.CreateTempSubdirectory("exo-sharded-").FullName;
        try
        {
            model.Write(folder);
            List<StepPlan> wholePlans = steps.OneByOne(sampling), splitPlans = steps.Mixed(random, sampling);
            var whole = RandomSteps.ByPosition(
                wholePlans, ShardedRun.Run(folder, Split.Whole, arithmetic, wholePlans, steps.NumPages, ThreadGroup.Connect, createDevice));
            var sharded = RandomSteps.ByPosition(
                splitPlans, ShardedRun.Run(folder, split, arithmetic, splitPlans, steps.NumPages, connect, createDevice));
            Compare(whole, sharded, $"seed {seed}: {split}, {arithmetic}, {model}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Compare(
        Dictionary<(int Sequence, int Position), (float[] Logits, int Token)> whole,
        Dictionary<(int Sequence, int Position), (float[] Logits, int Token)> sharded,
        string name)
    {
        foreach (((int sequence, int position), (float[] logits, int token)) in whole)
        {
            (float[] other, int otherToken) = sharded[(sequence, position)];
            for (int i = 0; i < logits.Length; i++)
            {
                if (!float.IsFinite(logits[i])) throw new InvalidOperationException($"{name}: a logit is not finite");
                if (BitConverter.SingleToInt32Bits(logits[i]) == BitConverter.SingleToInt32Bits(other[i])) continue;
                throw new InvalidOperationException(
                    $"{name}: sequence {sequence}, position {position}, logit {i}: whole {logits[i]:R}, sharded {other[i]:R}");
            }
            if (token >= 0 && token != otherToken)
                throw new InvalidOperationException($"{name}: sequence {sequence}: whole samples {token}, sharded {otherToken}");
        }
    }
}
