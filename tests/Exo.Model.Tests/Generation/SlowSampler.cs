using System.Numerics;
using Exo.Kernels.Numerics;
using Exo.Model.Generation;

namespace Exo.Model.Tests.Generation;

/// <summary>NUMERICS.md's section on sampling once more, from its words alone: whole vocabulary, sorted lists, big integers.</summary>
internal static class SlowSampler
{
    private static readonly BigInteger _two64 = BigInteger.One << 64;

    public static int Sample(float[] logits, SamplingSettings settings, int[] prompt, int[] generated, int position)
    {
        float[] changed = Change(logits, settings, prompt, generated);
        if (settings.Temperature == 0) return Enumerable.Range(0, changed.Length).OrderByDescending(i => changed[i]).First();
        double max = changed.Max(), t = settings.Temperature;
        var left = changed.Select((l, id) => (Id: id, Weight: Weight(((double)l - max) / t))).OrderByDescending(item => item.Weight).ThenBy(item => item.Id).ToList();
        if (settings.TopK > 0) left = [.. left.Take(settings.TopK)];
        if (settings.TopP < 1)
        {
            BigInteger total = left.Aggregate(BigInteger.Zero, (sum, item) => sum + item.Weight);
            var target = new BigInteger(Math.Ceiling(settings.TopP * (double)(long)total));
            BigInteger reached = 0;
            int length = 0;
            while (length < left.Count && reached < target) reached += left[length++].Weight;
            left = [.. left.Take(length)];
        }
        if (settings.MinP > 0) left = [.. left.Where(item => item.Weight >= new BigInteger(Math.Ceiling(settings.MinP * Math.Pow(2, 40))))];
        return left.Select(item => item.Id).Order().MaxBy(id => (changed[id] / t) + Gumbel(settings, position, id));
    }

    public static double Logprob(float[] logits, int id)
    {
        double max = logits.Max();
        BigInteger total = logits.Aggregate(BigInteger.Zero, (sum, l) => sum + Weight(l - max));
        return logits[id] - max - Fp.Log((double)(long)total / Math.Pow(2, 40));
    }

    public static float[] Change(float[] logits, SamplingSettings settings, int[] prompt, int[] generated)
    {
        var changed = (float[])logits.Clone();
        for (int id = 0; id < logits.Length; id++)
        {
            int occurs = generated.Count(other => other == id);
            if (settings.RepetitionPenalty != 1 && (occurs > 0 || prompt.Contains(id)))
                changed[id] = changed[id] > 0 ? changed[id] / settings.RepetitionPenalty : changed[id] * settings.RepetitionPenalty;
            if (occurs > 0) changed[id] -= settings.PresencePenalty + (occurs * settings.FrequencyPenalty);
            if (settings.LogitBias.TryGetValue(id, out float bias)) changed[id] += bias;
        }
        return changed;
    }

    private static BigInteger Weight(double x) => x < -27.8 ? 0 : new BigInteger(Math.Floor(Fp.Exp(x) * Math.Pow(2, 40)));

    private static double Gumbel(SamplingSettings settings, int position, int id)
    {
        BigInteger golden = 0x9E3779B97F4A7C15;
        BigInteger key = Mix(Mix(Mix(settings.Seed + golden) + settings.ChoiceIndex) + position);
        BigInteger n = Mix(key + ((id + 1) * golden)) >> 12;
        double u = ((double)(long)n + 0.5) * Math.Pow(2, -52);
        return -Fp.Log(-Fp.Log(u));
    }

    private static BigInteger Mix(BigInteger z)
    {
        z %= _two64;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % _two64;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % _two64;
        return z ^ (z >> 31);
    }
}
