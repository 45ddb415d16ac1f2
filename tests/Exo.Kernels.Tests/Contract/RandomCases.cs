using Exo.Testing.Kernels;
using FsCheck;
using FsCheck.Fluent;

namespace Exo.Kernels.Tests.Contract;

/// <summary>FsCheck's source of cases: shapes, formats and seeds all follow from one number, which a failing case prints.</summary>
public static class RandomCases
{
    private static readonly int[] UnkindSizes = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 53, 64, 65, 97];

    public static Arbitrary<MatMulCase> MatMuls() => From(random => new MatMulCase(Tokens(random), Load(random, RowBiases.Random)));

    public static Arbitrary<MatMulPartialCase> MatMulPartials() => From(random =>
    {
        int numLeaves = random.Next(1, 17), first = random.Next(numLeaves), numHeld = random.Next(0, numLeaves - first + 1);
        LoadSpec load = Load(random, RowBiases.None);
        if (numHeld == 0) load = load with { EndColumn = load.StartColumn };
        return new MatMulPartialCase(Tokens(random), load, numLeaves, first, numHeld);
    });

    public static Arbitrary<EmbedCase> Embeds() => From(random =>
    {
        int numLeaves = random.Next(1, 5);
        return new EmbedCase(Tokens(random), Load(random, RowBiases.None), random.Next(100), numLeaves, random.Next(numLeaves));
    });

    public static Arbitrary<AttentionCase> Attentions() => From(random =>
    {
        int groupSize = random.Next(1, 6), numHeads = random.Next(1, 9), firstHead = random.Next(0, 9);
        int firstKvHead = firstHead / groupSize, numKvHeads = ((firstHead + numHeads - 1) / groupSize) - firstKvHead + 1;
        int keyWidth = UnkindSizes[random.Next(14)];
        bool isMla = random.Next(4) == 0;
        int valueWidth = isMla ? random.Next(1, keyWidth + 1) : UnkindSizes[random.Next(14)];
        var layout = new KvLayout(numKvHeads, keyWidth, valueWidth, isMla, random.Next(3) == 0 ? random.Next(1, 40) : 0);
        var sequences = new SequenceSpec[random.Next(1, 4)];
        for (int s = 0; s < sequences.Length; s++) sequences[s] = new SequenceSpec(random.Next(3) * random.Next(40), random.Next(2) == 0 ? 1 : random.Next(1, 24));
        var shape = new AttentionShape(numHeads, firstHead, groupSize, firstKvHead, 1f / MathF.Sqrt(keyWidth));
        return new AttentionCase(layout, random.Next(2) == 0 ? DType.F16 : DType.F32, shape, sequences);
    });

    public static Arbitrary<AddNodesCase> AddNodes() => From(random =>
    {
        int numLeaves = random.Next(1, 17);
        return new AddNodesCase(Tokens(random), Size(random), numLeaves, random.Next(1, numLeaves + 1));
    });

    public static Arbitrary<AddExpertNodesCase> AddExpertNodes() => From(random =>
    {
        int numExperts = random.Next(1, 20);
        return new AddExpertNodesCase(Tokens(random), Size(random), random.Next(1, 4), numExperts, random.Next(1, Math.Min(numExperts, 5) + 1));
    });

    public static Arbitrary<RouteCase> Routes() => From(random =>
    {
        int numGroups = 1 << random.Next(4), numExperts = numGroups * random.Next(1, 20), topkGroups = random.Next(1, numGroups + 1);
        int perToken = random.Next(1, Math.Min(numExperts, 9) + 1);
        var options = new RouterOptions(
            numExperts, perToken, (RouterScoring)random.Next(2), random.Next(2) == 0, numGroups, topkGroups, random.Next(2) == 0 ? 1f : 2.5f);
        return new RouteCase(Tokens(random), options, (Correction)random.Next(2));
    });

    public static Arbitrary<ExpertMlpCase> ExpertMlps() => From(random =>
    {
        int numExperts = random.Next(1, 12), numLeaves = random.Next(1, 9), firstLeaf = random.Next(numLeaves);
        var result = new ExpertMlpCase(
            Tokens(random) + (random.Next(3) * 16), Size(random), numLeaves + random.Next(100), numExperts, random.Next(1, Math.Min(numExperts, 4) + 1))
        {
            Format = (WeightFormat)random.Next(5),
            Activations = (ActivationFormat)random.Next(2),
            NumLeaves = numLeaves,
            FirstLeaf = firstLeaf,
            EndLeaf = random.Next(firstLeaf + 1, numLeaves + 1),
            Shared = (SharedExpert)random.Next(2),
        };
        if (random.Next(2) == 0) return result;
        int first = random.Next(numExperts);
        return result with { FirstExpert = first, EndExpert = random.Next(first + 1, numExperts + 1) };
    });

    public static Arbitrary<RmsNormCase> RmsNorms() => From(random => new RmsNormCase(Tokens(random), Size(random)));

    public static Arbitrary<RmsNormHeadsCase> RmsNormHeads() =>
        From(random => new RmsNormHeadsCase(Tokens(random), random.Next(1, 5), Size(random)));

    public static Arbitrary<RopeCase> Ropes() => From(random =>
    {
        int numPairs = Size(random), offset = random.Next(5);
        return new RopeCase(Tokens(random), random.Next(1, 4), offset + (2 * numPairs) + random.Next(5), offset, numPairs, (RopePairs)random.Next(2));
    });

    public static Arbitrary<SiluMulCase> SiluMuls() => From(random => new SiluMulCase(Tokens(random), Size(random)));

    public static Arbitrary<AddCase> Adds() => From(random => new AddCase(Tokens(random), Size(random)));

    public static Arbitrary<AddRowCase> AddRows() => From(random => new AddRowCase(Tokens(random), Size(random)));

    public static Arbitrary<SelectRowsCase> SelectRows() => From(random => new SelectRowsCase(Tokens(random), Size(random), random.Next(0, 9)));

    private static Arbitrary<T> From<T>(Func<Random, T> create)
        where T : KernelCase =>
        Arb.From(Gen.Choose(1, int.MaxValue).Select(seed => create(new Random(seed)) with { Seed = seed }));

    private static int Size(Random random) => UnkindSizes[random.Next(UnkindSizes.Length)];

    private static int Tokens(Random random) => random.Next(4) == 0 ? random.Next(1, 30) : random.Next(1, 7);

    // One to three parts of any formats over the same columns, which begin and end anywhere.
    private static LoadSpec Load(Random random, RowBiases rowBiases)
    {
        int start = random.Next(2) * random.Next(70), end = start + 1 + random.Next(3) + (random.Next(4) * Size(random));
        var parts = new WeightSpec[random.Next(3) == 0 ? random.Next(2, 4) : 1];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = new WeightSpec((WeightFormat)random.Next(5), Size(random), ((end + 127) / 128 * 128) + (random.Next(2) * 128))
            {
                GroupSize = 32 << random.Next(3),
                ScaleType = (DType)random.Next(3),
                Biases = (AffineBiases)random.Next(2),
                RowBias = (RowBiases)random.Next((int)rowBiases + 1),
            };
        }
        return new LoadSpec(parts, start, end, (ActivationFormat)random.Next(2));
    }
}
