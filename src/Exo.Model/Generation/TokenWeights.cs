using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Exo.Kernels.Numerics;

namespace Exo.Model.Generation;

/// <summary>
/// Probabilities as integers, floor(exp(x) * 2^40) with x = (logit - max) / temperature: their sums are exact in any order, so they are
/// the same however a vocabulary is split (NUMERICS.md, sampling).
/// </summary>
internal static class TokenWeights
{
    /// <summary>The weight of the most likely token.</summary>
    public const double One = 1L << 40;

    private const double SmallestExponent = -27.8; // exp of less is below 2^-40
    private const double IntegerShift = 4503599627370496.0; // 2^52: added to an integer below it, the low bits are the integer

    /// <summary>The weight at <paramref name="x"/>, at most 0.</summary>
    public static long Of(double x) => x < SmallestExponent ? 0 : (long)Math.Floor(Fp.Exp(x) * One);

    /// <summary>weights[i] = Of((logits[i] - max) / temperature), four at a time: lane j of a vector is token i + j.</summary>
    public static void Fill(ReadOnlySpan<float> logits, double max, double temperature, Span<long> weights)
    {
        ref float source = ref MemoryMarshal.GetReference(logits);
        ref long target = ref MemoryMarshal.GetReference(weights);
        Vector256<double> highest = Vector256.Create(max), divisor = Vector256.Create(temperature);
        int i = 0;
        for (; i <= logits.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            (Vector256<double> lower, Vector256<double> upper) = Vector256.Widen(Vector256.LoadUnsafe(ref source, (nuint)i));
            Of((lower - highest) / divisor).StoreUnsafe(ref target, (nuint)i);
            Of((upper - highest) / divisor).StoreUnsafe(ref target, (nuint)(i + Vector256<double>.Count));
        }
        for (; i < logits.Length; i++) weights[i] = Of((logits[i] - max) / temperature);
    }

    private static Vector256<long> Of(Vector256<double> x)
    {
        Vector256<double> smallest = Vector256.Create(SmallestExponent), shift = Vector256.Create(IntegerShift);
        Vector256<double> weight = Vector256.Floor(Fp.Exp(Vector256.Max(x, smallest)) * One);
        Vector256<long> integer = (weight + shift).AsInt64() - shift.AsInt64();
        return Vector256.ConditionalSelect(Vector256.LessThan(x, smallest).AsInt64(), Vector256<long>.Zero, integer);
    }
}
