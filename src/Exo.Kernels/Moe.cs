namespace Exo.Kernels;

/// <summary>How router logits become scores.</summary>
public enum RouterScoring
{
    /// <summary>softmax over all experts (Mixtral, Qwen).</summary>
    Softmax,

    /// <summary>sigmoid of each expert (DeepSeek V3).</summary>
    Sigmoid,
}

/// <summary>How a token's experts are chosen and weighted.</summary>
/// <param name="NumExperts">Routed experts of the layer.</param>
/// <param name="ExpertsPerToken">Experts chosen for each token.</param>
/// <param name="Scoring">Scores from logits.</param>
/// <param name="NormTopkProb">The chosen weights are divided by their sum (+ 1e-20 for sigmoid scores).</param>
/// <param name="NumGroups">Groups of equal size that the experts form; 1 = none.</param>
/// <param name="TopkGroups">Groups that stay in the choice: those with the largest sums of their two best choice scores.</param>
/// <param name="ScalingFactor">Multiplies the weights last.</param>
public sealed record RouterOptions(
    int NumExperts,
    int ExpertsPerToken,
    RouterScoring Scoring,
    bool NormTopkProb,
    int NumGroups = 1,
    int TopkGroups = 1,
    float ScalingFactor = 1f);

/// <summary>
/// The chosen experts of each token, in ascending order of expert index: Experts int32 [NumTokens, ExpertsPerToken] and Weights float32
/// of the same shape, in device memory, in the step's arena.
/// </summary>
public readonly record struct Routing(int NumTokens, int ExpertsPerToken, nint Experts, nint Weights);

/// <summary>
/// The expert weights that a rank holds of one layer. All experts have the same shape: GateUp [2 * localIntermediate, hidden] (gate rows
/// first), Down [hidden, localIntermediate] with leaves. Index 0 of the arrays is expert <see cref="FirstExpert"/>.
/// </summary>
public sealed class ExpertBank
{
    /// <summary>Experts [firstExpert, firstExpert + gateUp.Length) of the layer; shared weights may be null.</summary>
    public ExpertBank(
        PartialLayout layout, int firstExpert, Weight[] gateUp, Weight[] down, Weight? sharedGateUp = null, Weight? sharedDown = null)
    {
        if (gateUp.Length != down.Length) throw new ShapeException($"{gateUp.Length} gate/up weights and {down.Length} down weights");
        if ((sharedGateUp is null) != (sharedDown is null)) throw new ShapeException("a shared expert needs both of its weights");
        Layout = layout;
        FirstExpert = firstExpert;
        GateUp = gateUp;
        Down = down;
        SharedGateUp = sharedGateUp;
        SharedDown = sharedDown;
    }

    /// <summary>The nodes that this rank's experts yield.</summary>
    public PartialLayout Layout { get; }

    /// <summary>First routed expert held.</summary>
    public int FirstExpert { get; }

    /// <summary>One past the last routed expert held.</summary>
    public int EndExpert => FirstExpert + GateUp.Length;

    /// <summary>Gate and up projections, one weight an expert.</summary>
    public Weight[] GateUp { get; }

    /// <summary>Down projections, one weight an expert.</summary>
    public Weight[] Down { get; }

    /// <summary>Gate and up of the shared expert, or null.</summary>
    public Weight? SharedGateUp { get; }

    /// <summary>Down of the shared expert (its leaves are those that this rank holds of it), or null.</summary>
    public Weight? SharedDown { get; }
}
