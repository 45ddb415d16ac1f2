using Exo.Kernels.Numerics;
using Xunit;

namespace Exo.Kernels.Tests.Numerics;

public sealed class FpDoubleTests
{
    private const int NumSamples = 200_000;

    [Fact]
    public void Sine_and_cosine_are_within_2_units_for_angles_up_to_ten_million()
    {
        var random = new Random(1);
        for (int i = 0; i < NumSamples; i++)
        {
            double x = (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-3, 8)) * 2;
            (double sin, double cos) = Fp.SinCos(x);
            Within(2, Math.Sin(x), sin, x);
            Within(2, Math.Cos(x), cos, x);
        }
    }

    [Fact]
    public void Sine_and_cosine_hold_near_multiples_of_half_pi()
    {
        for (int n = -200_000; n <= 200_000; n += 37)
        {
            double x = n * (Math.PI / 2);
            (double sin, double cos) = Fp.SinCos(x);
            Within(2, Math.Sin(x), sin, x);
            Within(2, Math.Cos(x), cos, x);
        }
    }

    [Fact]
    public void Sine_of_zero_is_zero_and_its_cosine_one() => Assert.Equal((0.0, 1.0), Fp.SinCos(0.0));

    [Fact]
    public void Exp_is_within_2_units()
    {
        var random = new Random(2);
        for (int i = 0; i < NumSamples; i++)
        {
            double x = (random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-3, 4)) * 1.4;
            Within(2, Math.Exp(x), Fp.Exp(x), x);
        }
    }

    [Theory]
    [InlineData(0.0, 1.0)]
    [InlineData(double.NegativeInfinity, 0.0)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData(1e300, double.PositiveInfinity)]
    [InlineData(-1e300, 0.0)]
    [InlineData(double.NaN, double.NaN)]
    public void Exp_is_exact_at_the_ends(double x, double expected) => Assert.Equal(expected, Fp.Exp(x));

    [Fact]
    public void Log_is_within_2_units()
    {
        var random = new Random(3);
        for (int i = 0; i < NumSamples; i++)
        {
            double x = i % 2 == 0 ? Math.Abs(BitConverter.Int64BitsToDouble(random.NextInt64())) : 0.4 + (1.3 * random.NextDouble());
            Within(2, Math.Log(x), Fp.Log(x), x);
        }
    }

    [Theory]
    [InlineData(1.0, 0.0)]
    [InlineData(0.0, double.NegativeInfinity)]
    [InlineData(-1.0, double.NaN)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity)]
    [InlineData(double.NaN, double.NaN)]
    public void Log_is_exact_at_the_ends(double x, double expected) => Assert.Equal(expected, Fp.Log(x));

    [Fact]
    public void Powers_are_within_3_units()
    {
        var random = new Random(4);
        for (int i = 0; i < NumSamples; i++)
        {
            double x = Math.Exp((random.NextDouble() - 0.3) * 20), y = (random.NextDouble() - 0.5) * 20;
            Within(3, Math.Pow(x, y), Fp.Pow(x, y), x);
        }
    }

    [Theory]
    [InlineData(2.0, 10.0, 1024.0)]
    [InlineData(10000.0, 0.0, 1.0)]
    [InlineData(10000.0, -1.0, 1e-4)]
    [InlineData(10000.0, 0.5, 100.0)]
    [InlineData(0.0, 2.0, 0.0)]
    [InlineData(0.0, -2.0, double.PositiveInfinity)]
    [InlineData(-2.0, 2.0, double.NaN)]
    public void Powers_that_are_known(double x, double y, double expected) => Assert.Equal(expected, Fp.Pow(x, y));

    private static void Within(double units, double expected, double actual, double x)
    {
        if (expected.Equals(actual)) return;
        double unit = Math.BitIncrement(Math.Abs(expected)) - Math.Abs(expected);
        if (!(Math.Abs(expected - actual) <= units * unit)) Assert.Fail($"at {x:R}: expected {expected:R}, got {actual:R}");
    }
}
