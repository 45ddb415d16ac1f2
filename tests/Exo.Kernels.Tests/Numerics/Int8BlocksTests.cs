using Exo.Kernels.Numerics;
using Xunit;

namespace Exo.Kernels.Tests.Numerics;

public sealed unsafe class Int8BlocksTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(31)]
    [InlineData(32)]
    public void A_block_is_rounded_to_the_nearest_even_multiple_of_its_scale(int count)
    {
        var random = new Random(count);
        for (int round = 0; round < 2000; round++)
        {
            float size = MathF.ScaleB(1f, random.Next(-90, 90));
            float[] x = new float[count];
            for (int i = 0; i < count; i++) x[i] = (float)((random.NextDouble() * 2) - 1) * size;
            if (round % 3 == 0) for (int i = 0; i < count; i++) x[i] = random.Next(-254, 255) * 0.5f; // ties, where the largest is 127
            if (round % 3 == 0) x[0] = 127f;
            float scale = Quantize(x, out sbyte[] q, out int sum);
            Assert.Equal(x.Max(MathF.Abs) / 127f, scale);
            for (int i = 0; i < count; i++) Assert.Equal((int)MathF.Round(x[i] / scale, MidpointRounding.ToEven), q[i]);
            Assert.Equal(q.Sum(v => v), sum);
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(32)]
    public void A_block_below_two_to_the_minus_100_is_zero_and_one_at_it_is_not(int count)
    {
        float[] x = new float[count];
        x[3] = -MathF.BitDecrement(MathF.ScaleB(1f, -100));
        Assert.Equal(0f, Quantize(x, out sbyte[] q, out int sum));
        Assert.All(q, v => Assert.Equal(0, v));
        Assert.Equal(0, sum);
        x[3] = -MathF.ScaleB(1f, -100);
        Assert.NotEqual(0f, Quantize(x, out q, out sum));
        Assert.Equal(-127, q[3]);
        Assert.Equal(-127, sum);
    }

    [Theory]
    [InlineData(0, 100, 32)]
    [InlineData(31, 100, 32)]
    [InlineData(32, 100, 64)]
    [InlineData(70, 80, 80)]
    public void Blocks_end_at_multiples_of_32_and_where_the_leaf_ends(int column, int leafEnd, int expected) =>
        Assert.Equal(expected, Int8Blocks.EndOfBlock(column, leafEnd));

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 32, 1)]
    [InlineData(31, 33, 2)]
    [InlineData(5, 100, 4)]
    public void Blocks_of_a_leaf_are_counted(int start, int end, int expected) => Assert.Equal(expected, Int8Blocks.Count(start, end));

    private static float Quantize(float[] x, out sbyte[] q, out int sum)
    {
        q = new sbyte[x.Length];
        fixed (float* px = x)
        fixed (sbyte* pq = q) return Int8Blocks.Quantize(px, x.Length, pq, out sum);
    }
}
