using System.Runtime.Intrinsics;
using Exo.Kernels.Numerics;
using Xunit;

namespace Exo.Kernels.Tests.Numerics;

public sealed class FpHalfTests
{
    [Fact]
    public void Every_half_becomes_the_float_that_the_runtime_makes_of_it()
    {
        for (int i = 0; i <= ushort.MaxValue; i += 16)
        {
            Vector512<int> halves = Vector512.Create(i - 65536) + Vector512<int>.Indices;
            Vector512<float> wide = Fp.HalfToSingle(halves);
            Vector256<float> middle = Fp.HalfToSingle(halves.GetUpper());
            Vector128<float> narrow = Fp.HalfToSingle(halves.GetUpper().GetUpper());
            for (int j = 0; j < 16; j++)
            {
                float expected = (float)BitConverter.UInt16BitsToHalf((ushort)(i + j));
                Same(expected, Fp.HalfToSingle(i + j));
                Same(expected, wide[j]);
                if (j >= 8) Same(expected, middle[j - 8]);
                if (j >= 12) Same(expected, narrow[j - 12]);
            }
        }
    }

    [Fact]
    public void Floats_round_to_the_half_that_the_runtime_rounds_to()
    {
        var random = new Random(7);
        for (int i = 0; i < 1 << 16; i++)
        {
            Vector512<float> x = Vector512.Create(random.Next(int.MinValue, int.MaxValue)).AsSingle();
            for (int j = 0; j < 16; j++) x = x.WithElement(j, Pattern(random, (i * 16) + j));
            Vector512<int> wide = Fp.SingleToHalf(x);
            Vector256<int> middle = Fp.SingleToHalf(x.GetUpper());
            Vector128<int> narrow = Fp.SingleToHalf(x.GetUpper().GetUpper());
            for (int j = 0; j < 16; j++)
            {
                int expected = BitConverter.HalfToUInt16Bits((Half)x[j]);
                bool same = Fp.SingleToHalf(x[j]) == expected && wide[j] == expected && (j < 8 || middle[j - 8] == expected)
                    && (j < 12 || narrow[j - 12] == expected);
                if (!same) Assert.Fail($"{x[j]:R}: expected 0x{expected:X4}, got 0x{Fp.SingleToHalf(x[j]):X4}, 0x{wide[j]:X4}");
            }
        }
    }

    [Fact]
    public void BFloat16_rounds_to_the_nearest_of_its_two_neighbours_ties_to_even()
    {
        var random = new Random(8);
        for (int i = 0; i < 1 << 20; i++)
        {
            float x = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            int rounded = Fp.SingleToBFloat16(x);
            if (!float.IsFinite(x))
            {
                Assert.Equal(float.IsNaN(x), float.IsNaN(Fp.BFloat16ToSingle(rounded)));
                continue;
            }
            int below = BitConverter.SingleToInt32Bits(x) >>> 16, rest = BitConverter.SingleToInt32Bits(x) & 0xFFFF;
            int expected = rest > 0x8000 || (rest == 0x8000 && (below & 1) == 1) ? below + 1 : below;
            if (expected != rounded) Assert.Fail($"{x:R}: expected 0x{expected:X4}, got 0x{rounded:X4}");
        }
    }

    // Any bits; values in the range of halves; exact ties between neighbouring halves and their neighbours.
    private static float Pattern(Random random, int index)
    {
        if (index % 3 == 0) return BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
        float half = (float)BitConverter.UInt16BitsToHalf((ushort)random.Next(65536));
        if (index % 3 == 1) return half * (1f + ((float)random.NextDouble() * 0.002f));
        return BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(half) + 0x1000 + random.Next(-1, 2));
    }

    private static void Same(float expected, float actual)
    {
        if (BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual)) return;
        if (float.IsNaN(expected) && float.IsNaN(actual)) return;
        Assert.Fail($"expected {expected:R}, got {actual:R}");
    }
}
