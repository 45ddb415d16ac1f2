using Exo.Kernels.Numerics;

namespace Exo.Kernels;

public partial class ReferenceDevice
{
    /// <inheritdoc/>
    protected override void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing)
    {
        for (int t = 0; t < logits.NumRows; t++)
        {
            float[] scores = Scores(Row(logits, t), options.Scoring);
            float[] choice = [.. scores];
            if (correctionBias is { } bias)
                for (int e = 0; e < choice.Length; e++) choice[e] += Row(bias, 0)[e];
            DropGroups(choice, options);
            int[] chosen = Best(choice, options.ExpertsPerToken);
            Array.Sort(chosen);
            chosen.CopyTo(TokenChoice<int>(routing.Experts, t, options.ExpertsPerToken));
            Weigh(scores, chosen, options, TokenChoice<float>(routing.Weights, t, options.ExpertsPerToken));
        }
    }

    private static float[] Scores(ReadOnlySpan<float> logits, RouterScoring scoring)
    {
        float[] scores = new float[logits.Length];
        if (scoring == RouterScoring.Sigmoid)
        {
            for (int e = 0; e < scores.Length; e++) scores[e] = Fp.Sigmoid(logits[e]);
            return scores;
        }
        float largest = float.NegativeInfinity;
        foreach (float logit in logits) largest = MathF.Max(largest, logit);
        Span<float> lanes = stackalloc float[NumLanes];
        lanes.Clear();
        for (int e = 0; e < scores.Length; e++)
        {
            scores[e] = Fp.Exp(logits[e] - largest);
            lanes[e % NumLanes] += scores[e];
        }
        float sum = ReductionTree.AddLanes(lanes);
        for (int e = 0; e < scores.Length; e++) scores[e] /= sum;
        return scores;
    }

    // Experts outside the best groups get the choice score 0.
    private static void DropGroups(float[] choice, RouterOptions options)
    {
        if (options.NumGroups == 1) return;
        int groupSize = choice.Length / options.NumGroups;
        float[] groupScores = new float[options.NumGroups];
        for (int g = 0; g < groupScores.Length; g++)
        {
            float[] group = choice[(g * groupSize)..((g + 1) * groupSize)];
            int[] best = Best(group, Math.Min(2, groupSize));
            groupScores[g] = best.Length == 1 ? group[best[0]] : group[best[0]] + group[best[1]];
        }
        int[] kept = Best(groupScores, options.TopkGroups);
        for (int e = 0; e < choice.Length; e++)
            if (!kept.Contains(e / groupSize)) choice[e] = 0f;
    }

    // Indices of the largest scores, largest first, ties to the lower index.
    private static int[] Best(float[] scores, int count) =>
        [.. Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]).ThenBy(i => i).Take(count)];

    private static void Weigh(float[] scores, int[] chosen, RouterOptions options, Span<float> weights)
    {
        float sum = scores[chosen[0]];
        for (int i = 1; i < chosen.Length; i++) sum += scores[chosen[i]];
        if (options.Scoring == RouterScoring.Sigmoid) sum += 1e-20f;
        for (int i = 0; i < chosen.Length; i++)
        {
            float weight = options.NormTopkProb ? scores[chosen[i]] / sum : scores[chosen[i]];
            weights[i] = weight * options.ScalingFactor;
        }
    }
}
