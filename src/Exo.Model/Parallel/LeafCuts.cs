namespace Exo.Model.Parallel;

/// <summary>
/// Where the reduction dimensions of a model are cut into leaves (NUMERICS.md). Cuts depend on the model alone, never on who runs it.
/// All results are the bounds of the leaves, [numLeaves + 1], ascending.
/// </summary>
public static class LeafCuts
{
    /// <summary>Leaves of a dense reduction, at most.</summary>
    public const int MaxLeaves = 16;

    /// <summary>Leaves inside experts, at most.</summary>
    public const int MaxExpertLeaves = 8;

    private const int UnitSize = 32;

    /// <summary>Attention output, in query heads: leaves are whole heads inside KV groups, or whole groups where there are more than 16.</summary>
    public static int[] AttentionHeads(int numHeads, int numKvHeads)
    {
        int groupSize = numHeads / numKvHeads;
        if (numKvHeads > MaxLeaves)
            return [.. Enumerable.Range(0, MaxLeaves + 1).Select(i => (int)((long)i * numKvHeads / MaxLeaves) * groupSize)];
        int perGroup = Math.Min(groupSize, MaxLeaves / numKvHeads);
        var bounds = new int[(numKvHeads * perGroup) + 1];
        for (int group = 0; group < numKvHeads; group++)
            for (int i = 1; i <= perGroup; i++) bounds[(group * perGroup) + i] = (group * groupSize) + (i * groupSize / perGroup);
        return bounds;
    }

    /// <summary>MLA's output, in heads.</summary>
    public static int[] MlaHeads(int numHeads) => Even(numHeads, Math.Min(MaxLeaves, numHeads), 1, numHeads);

    /// <summary>A dense MLP's intermediate columns.</summary>
    public static int[] Mlp(int intermediateSize) => Units(intermediateSize, MaxLeaves);

    /// <summary>An expert's intermediate columns.</summary>
    public static int[] Expert(int intermediateSize) => Units(intermediateSize, MaxExpertLeaves);

    /// <summary>A shared expert's intermediate columns: as many leaves as the routed experts have.</summary>
    public static int[] SharedExpert(int intermediateSize, int numLeaves) =>
        Even((intermediateSize + UnitSize - 1) / UnitSize, numLeaves, UnitSize, intermediateSize);

    private static int[] Units(int size, int maxLeaves)
    {
        int units = (size + UnitSize - 1) / UnitSize;
        return Even(units, Math.Min(maxLeaves, units), UnitSize, size);
    }

    private static int[] Even(int units, int numLeaves, int unitSize, int size) =>
        [.. Enumerable.Range(0, numLeaves + 1).Select(i => Math.Min(size, (int)((long)i * units / numLeaves) * unitSize))];
}
