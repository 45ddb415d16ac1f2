namespace Exo.Kernels.Cpu;

/// <summary>
/// The (token, chosen expert) pairs of a step whose expert is held here, grouped by expert: so each expert's weights are read once, by a
/// product with all of its tokens. Pairs of an expert are consecutive entries, in ascending order of token.
/// </summary>
internal readonly unsafe struct ExpertGroups
{
    /// <summary>Bytes of memory that <see cref="Group"/> needs.</summary>
    public static nint Bytes(int numTokens, int expertsPerToken, int numExperts) =>
        ((2 * (nint)numTokens * expertsPerToken) + numExperts + 1) * sizeof(int);

    private ExpertGroups(int* memory, int numPairs, int numExperts)
    {
        EntryOf = memory;
        TokenOf = memory + numPairs;
        Starts = TokenOf + numPairs;
        NumExperts = numExperts;
    }

    /// <summary>Entry of the pair (token, choice): [tokens, expertsPerToken]; -1 where the expert is not held.</summary>
    public int* EntryOf { get; }

    /// <summary>Token of an entry.</summary>
    public int* TokenOf { get; }

    /// <summary>Held expert e has the entries [Starts[e], Starts[e + 1]).</summary>
    public int* Starts { get; }

    /// <summary>Experts held.</summary>
    public int NumExperts { get; }

    /// <summary>Entries.</summary>
    public int Count => Starts[NumExperts];

    /// <summary>Groups the tokens of a routing, in memory of <see cref="Bytes"/> bytes.</summary>
    public static ExpertGroups Group(Routing routing, int firstExpert, int numExperts, nint memory)
    {
        int numPairs = routing.NumTokens * routing.ExpertsPerToken;
        var experts = (int*)routing.Experts;
        var groups = new ExpertGroups((int*)memory, numPairs, numExperts);
        new Span<int>(groups.Starts, numExperts + 1).Clear();
        for (int pair = 0; pair < numPairs; pair++)
            if ((uint)(experts[pair] - firstExpert) < (uint)numExperts) groups.Starts[experts[pair] - firstExpert + 1]++;
        for (int e = 0; e < numExperts; e++) groups.Starts[e + 1] += groups.Starts[e];

        // Starts[e] runs through its group and ends where the next begins: shifted back afterwards.
        for (int pair = 0; pair < numPairs; pair++)
        {
            int expert = experts[pair] - firstExpert;
            bool isHeld = (uint)expert < (uint)numExperts;
            groups.EntryOf[pair] = isHeld ? groups.Starts[expert]++ : -1;
            if (isHeld) groups.TokenOf[groups.EntryOf[pair]] = pair / routing.ExpertsPerToken;
        }
        for (int e = numExperts; e > 0; e--) groups.Starts[e] = groups.Starts[e - 1];
        groups.Starts[0] = 0;
        return groups;
    }
}
