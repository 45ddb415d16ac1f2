using System.Runtime.InteropServices;
using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Kernels.Tests.Reference;

public sealed class ReferenceMoeTests : IDisposable
{
    private readonly ReferenceDevice _device = new();
    private readonly Random _random = new(13);

    public void Dispose() => _device.Dispose();

    [Fact]
    public void Softmax_routing_takes_the_most_probable_experts_in_ascending_order()
    {
        (int[] experts, float[] weights) = Route([0f, 3f, 1f, 2f], new RouterOptions(4, 2, RouterScoring.Softmax, true));
        Assert.Equal([1, 3], experts);
        Assert.Equal([1f / (1f + MathF.Exp(-1f)), 1f / (1f + MathF.Exp(1f))], weights, (a, b) => MathF.Abs(a - b) < 1e-6f);
    }

    [Fact]
    public void Weights_that_are_not_normalized_are_probabilities_times_the_factor()
    {
        (_, float[] weights) = Route([0f, 3f, 1f, 2f], new RouterOptions(4, 2, RouterScoring.Softmax, false, ScalingFactor: 2f));
        double total = 1 + Math.Exp(3) + Math.Exp(1) + Math.Exp(2);
        Assert.Equal([(float)(2 * Math.Exp(3) / total), (float)(2 * Math.Exp(2) / total)], weights, (a, b) => MathF.Abs(a - b) < 1e-6f);
    }

    [Fact]
    public void Ties_go_to_the_lower_expert() =>
        Assert.Equal([0, 2], Route([1f, 0f, 1f, 1f], new RouterOptions(4, 2, RouterScoring.Softmax, true)).Experts);

    [Fact]
    public void A_correction_bias_chooses_and_does_not_weigh()
    {
        (int[] experts, float[] weights) = Route(
            [0f, 0f, 5f, 5f], new RouterOptions(4, 2, RouterScoring.Sigmoid, false), [0.9f, 0.8f, -0.9f, -0.9f]);
        Assert.Equal([0, 1], experts);
        Assert.Equal([0.5f, 0.5f], weights);
    }

    [Fact]
    public void Only_experts_of_the_best_groups_are_chosen()
    {
        // Groups of 3; the sums of their two best: 0.5 + 0.4 (sigmoid scores rise with the logit), then the single high expert 5 loses.
        var options = new RouterOptions(6, 2, RouterScoring.Sigmoid, true, 2, 1);
        Assert.Equal([0, 1], Route([1f, 1f, -9f, -9f, -9f, 1.5f], options).Experts);
    }

    [Theory]
    [InlineData(SharedExpert.None)]
    [InlineData(SharedExpert.One)]
    public void A_mixture_agrees_with_double_precision(SharedExpert shared)
    {
        const int Hidden = 12, Intermediate = 20, NumExperts = 4;
        float[] x = RandomValues.Uniform(_random, Hidden);
        HostWeight[] gateUp = [.. Enumerable.Range(0, NumExperts + 1).Select(_ => new HostWeight(_random, new WeightSpec(WeightFormat.F32, 2 * Intermediate, Hidden)))];
        HostWeight[] down = [.. Enumerable.Range(0, NumExperts + 1).Select(_ => new HostWeight(_random, new WeightSpec(WeightFormat.F32, Hidden, Intermediate)))];
        Weight[] up = [.. gateUp.Select(weight => _device.Load([weight.Source], ActivationFormat.Float32))];
        Weight[] back = [.. down.Select(weight => _device.Load([weight.Source], ActivationFormat.Float32, new Leaves(2, 0, [0, 7, Intermediate])))];
        bool isShared = shared == SharedExpert.One;
        var bank = new ExpertBank(
            PartialLayout.OfLeaves(2, 0, 2), 0, up[..NumExperts], back[..NumExperts], isShared ? up[^1] : null, isShared ? back[^1] : null);
        Tensor experts = _device.Write(MemoryMarshal.Cast<int, float>([1, 3]), 1, 2), weights = _device.Write([0.25f, 1.5f], 1, 2);
        PartialSums sums = _device.ExpertMlp(_device.Write(x, 1, Hidden), new Routing(1, 2, experts.Address, weights.Address), bank);

        for (int n = 0; n < Hidden; n++)
        {
            double expected = (0.25 * Mlp(x, gateUp[1].Source, down[1].Source, n)) + (1.5 * Mlp(x, gateUp[3].Source, down[3].Source, n));
            if (isShared) expected += Mlp(x, gateUp[^1].Source, down[^1].Source, n);
            Assert.Equal(expected, _device.Read(sums.Values)[n], 1e-4);
        }
        foreach (HostWeight weight in gateUp.Concat(down)) weight.Dispose();
    }

    private static double Mlp(float[] x, WeightSource gateUp, WeightSource down, int n)
    {
        double sum = 0;
        for (int i = 0; i < down.NumColumns; i++)
        {
            double gate = 0, up = 0;
            for (int k = 0; k < x.Length; k++)
            {
                gate += x[k] * NaiveWeights.Value(gateUp, i, k);
                up += x[k] * NaiveWeights.Value(gateUp, down.NumColumns + i, k);
            }
            sum += gate / (1 + Math.Exp(-gate)) * up * NaiveWeights.Value(down, n, i);
        }
        return sum;
    }

    private (int[] Experts, float[] Weights) Route(float[] logits, RouterOptions options, float[]? correctionBias = null)
    {
        Tensor? bias = correctionBias is null ? null : _device.LoadVector(correctionBias);
        Routing routing = _device.Route(_device.Write(logits, 1, logits.Length), options, bias);
        int count = routing.ExpertsPerToken;
        int[] experts = MemoryMarshal.Cast<float, int>(_device.Read(new Tensor(routing.Experts, 1, count, count))).ToArray();
        return (experts, _device.Read(new Tensor(routing.Weights, 1, count, count)).ToArray());
    }
}
