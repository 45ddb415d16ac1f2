using Exo.Kernels.Numerics;

namespace Exo.Model.Generation;

/// <summary>
/// Noise that is a function of (seed, choice index, position, token id) and of nothing else: the same on every rank and in every batch.
/// SplitMix64's mixing function (Steele, Lea and Flood, 2014) over a counter.
/// </summary>
internal readonly struct CounterRandom(ulong seed, int choiceIndex, int position)
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private readonly ulong _key = Mix(Mix(Mix(seed + Golden) + (ulong)(uint)choiceIndex) + (ulong)(uint)position);

    /// <summary>(n + 1/2) / 2^52 for a uniform n below 2^52: strictly inside (0, 1), and 1 - u is exact.</summary>
    public double Uniform(int tokenId) => ((Mix(_key + ((ulong)(uint)(tokenId + 1) * Golden)) >> 12) + 0.5) * (1.0 / (1UL << 52));

    /// <summary>-log(-log(u)).</summary>
    public static double Gumbel(double uniform) => -Fp.Log(-Fp.Log(uniform));

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
