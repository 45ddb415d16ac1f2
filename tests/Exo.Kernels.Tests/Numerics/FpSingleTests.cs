using System.Runtime.Intrinsics;
using Exo.Kernels.Numerics;
using Xunit;

namespace Exo.Kernels.Tests.Numerics;

public sealed class FpSingleTests
{
    private const int NumRandomPatterns = 1 << 20;
    private const int Seed = 20260101;

    private delegate float Scalar(float x);

    private delegate Vector128<float> Lanes4(Vector128<float> x);

    private delegate Vector256<float> Lanes8(Vector256<float> x);

    private delegate Vector512<float> Lanes16(Vector512<float> x);

    [Fact]
    public void Exp_has_the_same_bits_in_scalar_and_in_every_vector_width() => SameBits(Fp.Exp, Fp.Exp, Fp.Exp, Fp.Exp);

    [Fact]
    public void Silu_has_the_same_bits_in_scalar_and_in_every_vector_width() => SameBits(Fp.Silu, Fp.Silu, Fp.Silu, Fp.Silu);

    [Fact]
    public void Sigmoid_has_the_same_bits_in_scalar_and_in_every_vector_width() =>
        SameBits(Fp.Sigmoid, Fp.Sigmoid, Fp.Sigmoid, Fp.Sigmoid);

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(float.MinValue, 0f)]
    [InlineData(float.MaxValue, float.PositiveInfinity)]
    [InlineData(88.8f, float.PositiveInfinity)]
    [InlineData(-103.98f, 0f)]
    [InlineData(float.Epsilon, 1f)]
    public void Exp_is_exact_where_the_contract_says_so(float x, float expected) =>
        Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(Fp.Exp(x)));

    [Fact]
    public void Exp_of_minus_zero_is_one_and_of_NaN_is_NaN()
    {
        Assert.Equal(1f, Fp.Exp(-0f));
        Assert.Equal(float.NaN, Fp.Exp(float.NaN));
    }

    [Fact]
    public void Exp_is_within_1_1_units_in_the_last_place()
    {
        double worst = 0;
        for (int i = 0; i < 2_000_000; i++)
        {
            float x = (float)(-103.9 + (192.6 * i / 2_000_000));
            double exact = Math.Exp(x);
            double unit = Math.Max(Math.ScaleB(1.0, Math.ILogB(exact) - 23), float.Epsilon);
            worst = Math.Max(worst, Math.Abs(Fp.Exp(x) - exact) / unit);
        }
        Assert.InRange(worst, 0.0, 1.1);
    }

    [Theory]
    [InlineData(-30f)]
    [InlineData(-1.5f)]
    [InlineData(0f)]
    [InlineData(0.3f)]
    [InlineData(7f)]
    [InlineData(200f)]
    public void Silu_and_sigmoid_agree_with_double_precision(float x)
    {
        double sigmoid = 1.0 / (1.0 + Math.Exp(-(double)x));
        Assert.Equal(sigmoid, Fp.Sigmoid(x), sigmoid * 3e-7);
        Assert.Equal(x * sigmoid, Fp.Silu(x), Math.Abs(x * sigmoid * 3e-7));
    }

    private static void SameBits(Scalar scalar, Lanes4 lanes4, Lanes8 lanes8, Lanes16 lanes16)
    {
        float[] inputs = BitPatterns.Singles(NumRandomPatterns, Seed);
        Span<float> outputs = stackalloc float[16];
        for (int i = 0; i < inputs.Length; i += 16)
        {
            lanes16(Vector512.Create(inputs.AsSpan(i, 16))).CopyTo(outputs);
            BitPatterns.RequireEqual(scalar, inputs.AsSpan(i, 16), outputs);
            for (int j = 0; j < 16; j += 8) lanes8(Vector256.Create(inputs.AsSpan(i + j, 8))).CopyTo(outputs[j..]);
            BitPatterns.RequireEqual(scalar, inputs.AsSpan(i, 16), outputs);
            for (int j = 0; j < 16; j += 4) lanes4(Vector128.Create(inputs.AsSpan(i + j, 4))).CopyTo(outputs[j..]);
            BitPatterns.RequireEqual(scalar, inputs.AsSpan(i, 16), outputs);
        }
    }

    private static class BitPatterns
    {
        // Any 32 bits, then values near the interesting sizes; always the special ones.
        public static float[] Singles(int count, int seed)
        {
            var random = new Random(seed);
            float[] special =
            [
                0f, -0f, float.Epsilon, -float.Epsilon, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue,
                float.MinValue, 1f, -1f, 88.72283f, 88.72284f, -87.33655f, -103.97208f, BitConverter.Int32BitsToSingle(0x7F800002),
            ];
            float[] values = new float[count];
            for (int i = 0; i < count; i++)
            {
                values[i] = i % 2 == 0
                    ? BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue))
                    : (float)((random.NextDouble() * 220) - 110);
            }
            special.CopyTo(values, 0);
            return values;
        }

        public static void RequireEqual(Scalar scalar, ReadOnlySpan<float> inputs, ReadOnlySpan<float> outputs)
        {
            for (int i = 0; i < inputs.Length; i++)
            {
                float expected = scalar(inputs[i]);
                if (float.IsNaN(expected) && float.IsNaN(outputs[i])) continue;
                if (BitConverter.SingleToInt32Bits(expected) != BitConverter.SingleToInt32Bits(outputs[i]))
                    Assert.Fail($"of {inputs[i]:R} (0x{BitConverter.SingleToInt32Bits(inputs[i]):X8}): {expected:R}, a lane gives {outputs[i]:R}");
            }
        }
    }
}
