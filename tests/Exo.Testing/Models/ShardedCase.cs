using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Net.Collectives;

namespace Exo.Testing;

/// <summary>One way to split a model: tensor ratios, pipeline ratios, and how experts are split.</summary>
public sealed record Split(int[] Tensor, int[] Pipeline, ExpertSplit Experts = ExpertSplit.Leaves)
{
    /// <summary>Ranks in all.</summary>
    public int WorldSize => Tensor.Length * Pipeline.Length;

    /// <summary>The whole model on one rank.</summary>
    public static Split Whole { get; } = new([1], [1]);

    /// <inheritdoc/>
    public override string ToString() => $"tensor {string.Join(':', Tensor)}, pipeline {string.Join(':', Pipeline)}, experts by {Experts}";

    /// <summary>A random split of at most 8 ranks: up to 6 tensor ranks and 4 stages, ratios even or not.</summary>
    public static Split Random(Random random, int numLayers)
    {
        int tensor = random.Next(1, 7), pipeline = random.Next(1, Math.Min(Math.Min(4, numLayers), 8 / tensor) + 1);
        return new Split(Ratios(tensor), Ratios(pipeline), random.Next(2) == 0 ? ExpertSplit.Leaves : ExpertSplit.Experts);

        int[] Ratios(int count) => random.Next(2) == 0
            ? [.. Enumerable.Repeat(1, count)]
            : [.. Enumerable.Range(0, count).Select(_ => random.Next(1, 7))];
    }
}

/// <summary>Runs a list of steps on every rank of a split model, each rank a thread, and gives what the last stage gave out.</summary>
public static class ShardedRun
{
    private const int TimeoutMs = 120_000;

    /// <summary>
    /// Runs <paramref name="plans"/>; <paramref name="connect"/>(tensorRanks, stages) makes the groups of every rank. All tensor ranks of the
    /// last stage must agree. Returns for each step the result's logits and tokens.
    /// </summary>
    public static List<StepOutput> Run(
        string folder, Split split, Arithmetic arithmetic, IReadOnlyList<StepPlan> plans, int numPages, Func<int, int, RankGroups[]> connect, Func<Device> createDevice)
    {
        int tensorSize = split.Tensor.Length, stages = split.Pipeline.Length;
        RankGroups[] groups = connect(tensorSize, stages); // rank = stage * tensorSize + tensor rank
        var outputs = new List<StepOutput>[tensorSize];
        var errors = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        var threads = new List<Thread>();
        for (int stage = 0; stage < stages; stage++)
            for (int rank = 0; rank < tensorSize; rank++)
            {
                RankGroups own = groups[(stage * tensorSize) + rank];
                int slot = stage == stages - 1 ? rank : -1;
                var thread = new Thread(() => RunRank(own, slot)) { IsBackground = true };
                threads.Add(thread);
                thread.Start();
            }
        foreach (Thread thread in threads)
            if (!thread.Join(TimeoutMs)) throw new TimeoutException($"{split}: a rank did not end; {errors.FirstOrDefault()}");
        if (!errors.IsEmpty) throw new AggregateException($"{split}", errors);
        for (int rank = 1; rank < tensorSize; rank++)
            if (!outputs[rank].SequenceEqual(outputs[0])) throw new InvalidOperationException($"{split}: ranks 0 and {rank} disagree");
        return outputs[0];

        void RunRank(RankGroups own, int slot)
        {
            using RankGroups owned = own;
            try
            {
                var shard = new Shard(own.Tensor, new Partition(split.Tensor), own.Pipeline, new Partition(split.Pipeline), split.Experts);
                Device device = createDevice();
                using var model = new ModelHarness(device, folder, arithmetic, shard, numPages);
                List<StepOutput> results = [.. plans.Select(model.Run)];
                if (slot >= 0) outputs[slot] = results;
            }
            catch (Exception error)
            {
                errors.Enqueue(error);
            }
        }
    }
}

/// <summary>What a step gave out, compared by bits.</summary>
public sealed record StepOutput(float[][] Logits, SampledToken[] Tokens, TokenLogprob[] TopLogprobs)
{
    /// <summary>True where every bit is the same.</summary>
    public bool Equals(StepOutput? other) => other is not null
        && Logits.Length == other.Logits.Length
        && Logits.Zip(other.Logits).All(pair => Bits(pair.First).SequenceEqual(Bits(pair.Second)))
        && Tokens.SequenceEqual(other.Tokens)
        && TopLogprobs.SequenceEqual(other.TopLogprobs);

    /// <inheritdoc/>
    public override int GetHashCode() => Logits.Length;

    private static IEnumerable<int> Bits(float[] values) => values.Select(BitConverter.SingleToInt32Bits);
}
