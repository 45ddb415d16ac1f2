using Exo.Kernels;
using Exo.Model.Generation;

namespace Exo.Testing;

/// <summary>
/// Several sequences fed through random steps: prompts in random chunks, batches of random composition, a sampled and fed-back token now
/// and then. The ids are fixed, so that every way to run them can be compared.
/// </summary>
public sealed class RandomSteps
{
    private readonly int[][] _sequences;

    /// <summary>Draws up to three sequences of at most <paramref name="maxLength"/> ids.</summary>
    public RandomSteps(TinyModel model, Random random, int maxLength)
    {
        _sequences = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => model.Ids(random.Next(1, maxLength)))];
        PagesPerSequence = (maxLength / KvLayout.PageSize) + 1;
    }

    /// <summary>Pages that each sequence has.</summary>
    public int PagesPerSequence { get; }

    /// <summary>Pages in all.</summary>
    public int NumPages => PagesPerSequence * _sequences.Length;

    /// <summary>Each sequence by itself, in one step: what all other ways are compared with.</summary>
    public List<StepPlan> OneByOne(SamplingSettings sampling)
    {
        var plans = new List<StepPlan>();
        for (int s = 0; s < _sequences.Length; s++)
        {
            var plan = new StepPlan();
            Add(plan, s, 0, _sequences[s].Length, sampling, s);
            plans.Add(plan);
        }
        return plans;
    }

    /// <summary>Random chunks in random company.</summary>
    public List<StepPlan> Mixed(Random random, SamplingSettings sampling)
    {
        var plans = new List<StepPlan>();
        var done = new int[_sequences.Length];
        while (Enumerable.Range(0, done.Length).Any(s => done[s] < _sequences[s].Length))
        {
            var plan = new StepPlan();
            for (int s = 0; s < done.Length; s++)
            {
                int left = _sequences[s].Length - done[s];
                if (left == 0 || random.Next(3) == 0) continue;
                int count = random.Next(3) == 0 ? left : random.Next(1, Math.Min(left, 9) + 1);
                Add(plan, s, done[s], count, sampling, done.Length - 1 - s); // other pages than one by one
                done[s] += count;
            }
            if (plan.Sequences.Count > 0) plans.Add(plan);
        }
        return plans;
    }

    /// <summary>Logits and tokens of every position, by sequence, from the outputs of <paramref name="plans"/>.</summary>
    public static Dictionary<(int Sequence, int Position), (float[] Logits, int Token)> ByPosition(List<StepPlan> plans, List<StepOutput> outputs)
    {
        var positions = new Dictionary<(int, int), (float[], int)>();
        for (int p = 0; p < plans.Count; p++)
        {
            int next = 0;
            foreach (SequenceStep sequence in plans[p].Sequences)
                for (int row = 0; row < sequence.Ids.Count; row++)
                {
                    int token = row == sequence.Ids.Count - 1 && sequence.Outputs[^1].Kind == OutputKind.Sample
                        ? outputs[p].Tokens.Single(t => t.SequenceId == sequence.SequenceId).Id
                        : -1;
                    positions[(sequence.SequenceId, sequence.FirstPosition + row)] = (outputs[p].Logits[next++], token);
                }
        }
        return positions;
    }

    private void Add(StepPlan plan, int s, int start, int count, SamplingSettings sampling, int pageBlock)
    {
        SequenceStep step = plan.AddSequence();
        step.SequenceId = s;
        step.FirstPosition = start;
        step.AdmittedLimit = _sequences[s].Length;
        step.Ids.AddRange(_sequences[s].AsSpan(start, count));
        if (start == 0) step.Start = new SequenceStart(sampling, 1, _sequences[s]);
        for (int page = 0; page < PagesPerSequence; page++) step.Pages.Add((pageBlock * PagesPerSequence) + page);
        for (int row = 0; row < count; row++) step.Outputs.Add(new OutputRow(row, OutputKind.Logits));
        if (start + count == _sequences[s].Length) step.Outputs.Add(new OutputRow(count - 1, OutputKind.Sample));
    }
}
