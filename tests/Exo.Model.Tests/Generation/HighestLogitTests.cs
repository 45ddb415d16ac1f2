using Exo.Model.Generation;
using Xunit;

namespace Exo.Model.Tests.Generation;

public class HighestLogitTests
{
    [Fact]
    public void The_highest_logit_is_found_wherever_it_stands()
    {
        for (int length = 1; length < 40; length++)
        {
            float[] logits = [.. Enumerable.Range(0, length).Select(i => -3f - (i % 7))];
            for (int at = 0; at < length; at++)
            {
                float[] one = [.. logits];
                one[at] = -2.5f;
                one[length - 1] = -2.5f;
                Assert.Equal(-2.5f, HighestLogit.OfFinite(one));
                Assert.Equal(at, HighestLogit.FirstIndexOf(one, -2.5f));
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_logit_that_is_not_finite_is_noticed_wherever_it_stands(float value)
    {
        for (int at = 0; at < 37; at++)
        {
            float[] logits = new float[37];
            logits[at] = value;
            Assert.True(float.IsNaN(HighestLogit.OfFinite(logits)));
        }
    }

    [Fact]
    public void Zeros_of_both_signs_are_one_value_and_no_logits_have_none()
    {
        Assert.Equal(1, HighestLogit.FirstIndexOf([-1f, -0f, 0f], 0f));
        Assert.Equal(-1, HighestLogit.FirstIndexOf([], 0f));
        Assert.Equal(float.MinValue, HighestLogit.OfFinite([]));
    }
}
