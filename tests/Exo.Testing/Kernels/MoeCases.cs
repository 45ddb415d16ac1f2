using System.Runtime.InteropServices;
using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>Whether a case has a correction bias.</summary>
public enum Correction
{
    /// <summary>None.</summary>
    None,

    /// <summary>Random, so that chosen experts are not those with the best scores.</summary>
    Random,
}

/// <summary>Experts chosen from random logits, some of them equal.</summary>
public sealed record RouteCase(int NumTokens, RouterOptions Options, Correction Correction) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        float[] logits = RandomValues.Uniform(random, NumTokens * Options.NumExperts);
        for (int i = 1; i < logits.Length; i++)
            if (random.Next(5) == 0) logits[i] = logits[i - 1];
        Tensor? bias = Correction == Correction.Random ? device.LoadVector(RandomValues.Uniform(random, Options.NumExperts)) : null;
        Routing routing = device.Route(device.Write(logits, NumTokens, Options.NumExperts), Options, bias);
        int count = NumTokens * routing.ExpertsPerToken;
        float[] experts = device.Read(new Tensor(routing.Experts, 1, count, count)).ToArray();
        float[] weights = device.Read(new Tensor(routing.Weights, 1, count, count)).ToArray();
        return [.. MemoryMarshal.Cast<float, int>(experts).ToArray().Select(expert => (float)expert), .. weights];
    }
}

/// <summary>The shared expert of a mixture.</summary>
public enum SharedExpert
{
    /// <summary>None.</summary>
    None,

    /// <summary>One, a little wider than the others.</summary>
    One,
}

/// <summary>
/// A mixture's MLP: this rank holds the leaves [FirstLeaf, EndLeaf) of NumLeaves, and of the experts either all (FirstExpert = EndExpert
/// = 0, sums over whole leaves) or [FirstExpert, EndExpert), sums by expert ranges.
/// </summary>
public sealed record ExpertMlpCase(int NumTokens, int Hidden, int Intermediate, int NumExperts, int ExpertsPerToken) : KernelCase
{
    /// <summary>Format of all weights.</summary>
    public WeightFormat Format { get; init; }

    /// <summary>What they are multiplied by.</summary>
    public ActivationFormat Activations { get; init; }

    /// <summary>Leaves of the intermediate dimension.</summary>
    public int NumLeaves { get; init; } = 1;

    /// <summary>First leaf held.</summary>
    public int FirstLeaf { get; init; }

    /// <summary>One past the last leaf held.</summary>
    public int EndLeaf { get; init; } = 1;

    /// <summary>First expert held, where experts are split.</summary>
    public int FirstExpert { get; init; }

    /// <summary>One past the last expert held; 0 = experts are not split.</summary>
    public int EndExpert { get; init; }

    /// <summary>An expert for every token.</summary>
    public SharedExpert Shared { get; init; }

    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        int[] cuts = RandomValues.Bounds(random, 0, Intermediate, NumLeaves);
        bool isSplit = EndExpert > 0;
        int numHeld = isSplit ? EndExpert - FirstExpert : NumExperts;
        PartialLayout layout = isSplit
            ? PartialLayout.OfExperts(NumLeaves, FirstLeaf, EndLeaf, NumExperts, FirstExpert, EndExpert,
                FirstLeaf, Shared == SharedExpert.None ? FirstLeaf : EndLeaf)
            : PartialLayout.OfLeaves(NumLeaves, FirstLeaf, EndLeaf);
        var gateUp = new Weight[numHeld];
        var down = new Weight[numHeld];
        for (int e = 0; e < numHeld; e++) (gateUp[e], down[e]) = Load(device, random, cuts);
        Weight? sharedGateUp = null, sharedDown = null;
        if (Shared == SharedExpert.One) (sharedGateUp, sharedDown) = Load(device, random, [.. cuts.Select(cut => cut + (cut / 2))]);
        var bank = new ExpertBank(layout, FirstExpert, gateUp, down, sharedGateUp, sharedDown);
        Tensor x = WriteStrided(device, random, NumTokens, Hidden);
        float[] values = Values(device, device.ExpertMlp(x, RandomRouting(device, random), bank));
        foreach (Weight? weight in (Weight?[])[.. gateUp, .. down, sharedGateUp, sharedDown]) weight?.Dispose();
        return values;
    }

    // The held leaves of one expert's two projections; cuts: its leaves' bounds.
    private (Weight GateUp, Weight Down) Load(Device device, Random random, int[] cuts)
    {
        int start = cuts[FirstLeaf], end = cuts[EndLeaf], rowLength = (cuts[^1] + 127) / 128 * 128;
        var gateUp = new LoadSpec([Spec(end - start, (Hidden + 31) / 32 * 32), Spec(end - start, (Hidden + 31) / 32 * 32)], 0, Hidden, Activations);
        var down = new LoadSpec([Spec(Hidden, rowLength)], start, end, Activations);
        return (gateUp.Load(device, random), down.Load(device, random, new Leaves(NumLeaves, FirstLeaf, cuts[FirstLeaf..(EndLeaf + 1)])));
    }

    private WeightSpec Spec(int numRows, int rowLength) => new(Format, numRows, rowLength);

    private Routing RandomRouting(Device device, Random random)
    {
        int[] experts = new int[NumTokens * ExpertsPerToken];
        for (int t = 0; t < NumTokens; t++)
        {
            int[] chosen = RandomValues.Shuffled(random, NumExperts)[..ExpertsPerToken];
            Array.Sort(chosen);
            chosen.CopyTo(experts, t * ExpertsPerToken);
        }
        Tensor indices = device.Write(MemoryMarshal.Cast<int, float>(experts), NumTokens, ExpertsPerToken);
        Tensor weights = device.Write(RandomValues.Uniform(random, experts.Length), NumTokens, ExpertsPerToken);
        return new Routing(NumTokens, ExpertsPerToken, indices.Address, weights.Address);
    }
}
