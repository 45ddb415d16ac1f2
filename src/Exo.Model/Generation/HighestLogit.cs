using System.Numerics;
using System.Runtime.InteropServices;

namespace Exo.Model.Generation;

/// <summary>The highest of some logits, in one pass over them each: a vocabulary is long beside a small model's layer.</summary>
internal static class HighestLogit
{
    /// <summary>The highest value, or NaN where any value is not finite; the least float of no values.</summary>
    public static float OfFinite(ReadOnlySpan<float> logits)
    {
        ref float first = ref MemoryMarshal.GetReference(logits);
        var highest = new Vector<float>(float.MinValue);
        Vector<int> areFinite = Vector<int>.AllBitsSet;
        int i = 0;
        for (; i <= logits.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var values = Vector.LoadUnsafe(ref first, (nuint)i);
            areFinite &= Vector.Equals(values - values, Vector<float>.Zero); // NaN for NaN and infinities
            highest = Vector.ConditionalSelect(Vector.GreaterThan(values, highest), values, highest);
        }
        bool isFinite = areFinite == Vector<int>.AllBitsSet;
        float max = float.MinValue;
        for (int lane = 0; lane < Vector<float>.Count; lane++) max = MathF.Max(max, highest[lane]);
        for (; i < logits.Length; i++)
        {
            isFinite &= float.IsFinite(logits[i]);
            max = MathF.Max(max, logits[i]);
        }
        return isFinite ? max : float.NaN;
    }

    /// <summary>Where the value stands first, or -1.</summary>
    public static int FirstIndexOf(ReadOnlySpan<float> logits, float value)
    {
        ref float first = ref MemoryMarshal.GetReference(logits);
        var wanted = new Vector<float>(value);
        int i = 0;
        while (i <= logits.Length - Vector<float>.Count && !Vector.EqualsAny(Vector.LoadUnsafe(ref first, (nuint)i), wanted)) i += Vector<float>.Count;
        for (; i < logits.Length; i++)
            if (logits[i] == value) return i;
        return -1;
    }
}
