namespace Exo.Kernels.Cpu;

/// <summary>Memory of one worker while it computes a unit.</summary>
internal unsafe struct UnitScratch
{
    /// <summary>Query 0.</summary>
    public float* Queries;

    /// <summary>True where queries, and then probabilities too, are multiplied by 2^112: keys and values are read 2^-112 of their size.</summary>
    public bool IsScaled;

    /// <summary>Floats between two queries.</summary>
    public nint QueryStride;

    /// <summary>Keys of a block as floats, [KeyWidth, 16]; those of further blocks behind.</summary>
    public float* Keys;

    /// <summary>Values of a block as floats, [16, PaddedValueWidth]; those of further blocks behind.</summary>
    public float* Values;

    /// <summary>Scores, then probabilities, [blocks, queries, 16].</summary>
    public float* Scores;

    /// <summary>exp(old maximum - new maximum), [blocks, queries].</summary>
    public float* Factors;

    /// <summary>New maximum, [blocks, queries].</summary>
    public float* Maxima;

    /// <summary>The states, Sizes.NumStates of them.</summary>
    public float* States;

    /// <summary>Room for all queries.</summary>
    public readonly float* OwnQueries;

    private readonly nint _keyFloats, _valueFloats;

    /// <summary>The parts of a worker's scratch.</summary>
    public UnitScratch(float* memory, AttentionSizes sizes)
    {
        const int Blocks = AttentionSizes.MaxBlocksAtOnce;
        _keyFloats = (nint)sizes.KeyWidth * KvLayout.PageSize;
        _valueFloats = (nint)sizes.PaddedValueWidth * KvLayout.PageSize;
        OwnQueries = Queries = memory;
        QueryStride = sizes.KeyWidth;
        Keys = Queries + AttentionSizes.RoundUp(sizes.MaxQueries * sizes.KeyWidth);
        Values = Keys + (Blocks * _keyFloats);
        Scores = Values + (Blocks * _valueFloats);
        Factors = Scores + ((nint)Blocks * sizes.MaxQueries * KvLayout.PageSize);
        Maxima = Factors + ((nint)Blocks * sizes.MaxQueries);
        States = Maxima + ((nint)Blocks * sizes.MaxQueries);
    }

    /// <summary>Where block <paramref name="index"/> of a step is converted to.</summary>
    public readonly (nint Keys, nint Values) Part(int index) =>
        ((nint)(Keys + (index * _keyFloats)), (nint)(Values + (index * _valueFloats)));
}
