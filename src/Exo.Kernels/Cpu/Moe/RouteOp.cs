using System.Runtime.CompilerServices;
using Exo.Kernels.Numerics;

namespace Exo.Kernels.Cpu;

/// <summary>Chooses and weighs the experts of each token: see Device.Route.</summary>
internal unsafe struct RouteOp : IRowOp
{
    public float* Logits;
    public nint LogitsStride;

    /// <summary>[NumExperts], or null.</summary>
    public float* CorrectionBias;
    public int NumExperts;
    public int ExpertsPerToken;
    public int NumGroups;
    public int TopkGroups;
    public float ScalingFactor;
    public RouterScoring Scoring;
    public bool NormTopkProb;

    /// <summary>[tokens, ExpertsPerToken].</summary>
    public int* Experts;

    /// <summary>[tokens, ExpertsPerToken].</summary>
    public float* Weights;

    /// <summary>Scores, choice scores and groups' scores of each token: [tokens, ScratchFloats].</summary>
    public float* Scratch;

    /// <summary>Floats of scratch for a token.</summary>
    public readonly nint ScratchFloats => (2 * (nint)NumExperts) + NumGroups;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int token = start; token < end; token++)
        {
            float* scores = Scratch + (token * ScratchFloats), choice = scores + NumExperts;
            float* logits = Logits + (token * LogitsStride);
            if (Scoring == RouterScoring.Softmax) Softmax<TSimd, TVector>(logits, scores);
            else
                for (int e = 0; e < NumExperts; e++) scores[e] = Fp.Sigmoid(logits[e]);
            for (int e = 0; e < NumExperts; e++) choice[e] = CorrectionBias == null ? scores[e] : scores[e] + CorrectionBias[e];
            if (NumGroups > 1) DropGroups(choice, choice + NumExperts);
            int* experts = Experts + ((nint)token * ExpertsPerToken);
            Best(choice, NumExperts, experts, ExpertsPerToken);
            new Span<int>(experts, ExpertsPerToken).Sort();
            Weigh(scores, experts, Weights + ((nint)token * ExpertsPerToken));
        }
    }

    // exp(l - max), the sum over 16 lanes, a division.
    private readonly void Softmax<TSimd, TVector>(float* logits, float* scores)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float largest = float.NegativeInfinity;
        for (int e = 0; e < NumExperts; e++) largest = logits[e] > largest ? logits[e] : largest;
        TVector max = TSimd.Broadcast(largest);
        float* lanes = stackalloc float[Lanes.Count];
        new Span<float>(lanes, Lanes.Count).Clear();
        int i = 0;
        for (; i <= NumExperts - TSimd.Width; i += TSimd.Width)
        {
            TVector exp = TSimd.Exp(TSimd.Subtract(TSimd.Load(logits + i), max));
            TSimd.Store(scores + i, exp);
            float* lane = lanes + (i % Lanes.Count);
            TSimd.Store(lane, TSimd.Add(TSimd.Load(lane), exp));
        }
        for (; i < NumExperts; i++) lanes[i % Lanes.Count] += scores[i] = Fp.Exp(logits[i] - largest);
        float sum = Lanes.Add(lanes);
        for (int e = 0; e < NumExperts; e++) scores[e] /= sum;
    }

    // Experts outside the best groups get the choice score 0. A group's score is the sum of its two best choice scores.
    private readonly void DropGroups(float* choice, float* groupScores)
    {
        int groupSize = NumExperts / NumGroups;
        int* best = stackalloc int[2];
        for (int g = 0; g < NumGroups; g++)
        {
            float* group = choice + (g * groupSize);
            Best(group, groupSize, best, Math.Min(2, groupSize));
            groupScores[g] = groupSize == 1 ? group[0] : group[best[0]] + group[best[1]];
        }
        for (int g = 0; g < NumGroups; g++)
            if (Rank(groupScores, g) >= TopkGroups) new Span<float>(choice + (g * groupSize), groupSize).Clear();
    }

    // How many groups come before this one: larger scores, and equal ones of a lower index.
    private readonly int Rank(float* scores, int index)
    {
        int before = 0;
        for (int g = 0; g < NumGroups; g++)
            if (scores[g] > scores[index] || (scores[g] == scores[index] && g < index)) before++;
        return before;
    }

    /// <summary>The largest scores' indices, largest first, ties to the lower index.</summary>
    private static void Best(float* scores, int n, int* best, int count)
    {
        int found = 0;
        for (int i = 0; i < n; i++)
        {
            int place = found;
            while (place > 0 && scores[i] > scores[best[place - 1]]) place--;
            if (place >= count) continue;
            for (int j = Math.Min(found, count - 1); j > place; j--) best[j] = best[j - 1];
            best[place] = i;
            found = Math.Min(found + 1, count);
        }
    }

    private readonly void Weigh(float* scores, int* experts, float* weights)
    {
        float sum = scores[experts[0]];
        for (int i = 1; i < ExpertsPerToken; i++) sum += scores[experts[i]];
        if (Scoring == RouterScoring.Sigmoid) sum += 1e-20f;
        for (int i = 0; i < ExpertsPerToken; i++)
        {
            float weight = NormTopkProb ? scores[experts[i]] / sum : scores[experts[i]];
            weights[i] = weight * ScalingFactor;
        }
    }
}
