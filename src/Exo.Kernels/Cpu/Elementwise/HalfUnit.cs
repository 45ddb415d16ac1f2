namespace Exo.Kernels.Cpu;

/// <summary>
/// A half's bits moved to their places in a float are 2^-112 of its value (the exponents are biased by 15 and by 127). A product keeps every
/// bit when its other factor is multiplied by 2^112 instead, which is exact as long as that stays finite.
/// </summary>
internal static unsafe class HalfUnit
{
    /// <summary>2^112.</summary>
    public const float Value = 5.192296858534828e33f;

    private const float Largest = 32768f;

    /// <summary>Writes source * 2^112; false, and nothing written, where a number is too large for it.</summary>
    public static bool TryScale<TSimd, TVector>(float* source, float* target, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int whole = count / TSimd.Width * TSimd.Width;
        TVector largest = TSimd.Zero, minus = TSimd.Broadcast(-1f), unit = TSimd.Broadcast(Value);
        for (int i = 0; i < whole; i += TSimd.Width)
        {
            TVector v = TSimd.Load(source + i);
            largest = TSimd.Max(largest, TSimd.Max(v, TSimd.Multiply(v, minus)));
        }
        float max = TSimd.MaxAcross(largest);
        for (int i = whole; i < count; i++) max = MathF.Max(max, MathF.Abs(source[i]));
        if (!(max < Largest)) return false;
        for (int i = 0; i < whole; i += TSimd.Width) TSimd.Store(target + i, TSimd.Multiply(TSimd.Load(source + i), unit));
        for (int i = whole; i < count; i++) target[i] = source[i] * Value;
        return true;
    }
}
