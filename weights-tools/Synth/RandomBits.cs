using System.Numerics;

namespace Exo.WeightsTools.Synth;

/// <summary>xoshiro256++ (Blackman and Vigna), seeded by splitmix64: the same model for a seed on every machine and runtime.</summary>
internal sealed class RandomBits
{
    private ulong _a, _b, _c, _d;

    public RandomBits(ulong seed)
    {
        _a = Mix(ref seed);
        _b = Mix(ref seed);
        _c = Mix(ref seed);
        _d = Mix(ref seed);
    }

    public ulong Next()
    {
        ulong result = BitOperations.RotateLeft(_a + _d, 23) + _a;
        ulong t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>Fills with uniform bytes.</summary>
    public void Fill(Span<byte> bytes)
    {
        for (; bytes.Length >= 8; bytes = bytes[8..]) BitConverter.TryWriteBytes(bytes, Next());
        ulong rest = Next();
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)(rest >> (8 * i));
    }

    private static ulong Mix(ref ulong state)
    {
        ulong z = state += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
}
