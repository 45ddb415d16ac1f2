namespace Exo.Kernels.Cpu;

/// <summary>Where the part of every (token, expert, leaf) waits until a leaf's experts are added.</summary>
internal enum PartPlace
{
    /// <summary>In memory, all at once: few tokens, whose weights want long reads.</summary>
    Memory,

    /// <summary>In a thread's scratch, those of a few outputs at a time: many tokens.</summary>
    Cache,
}

/// <summary>
/// The memory between the steps of a mixture's MLP, [rows, columns] each: an entry is a (token, chosen expert) pair. Sizes in floats.
/// </summary>
internal unsafe struct ExpertBuffers
{
    private const int Alignment = 16;
    private readonly nint _gateUp, _hidden, _parts, _sharedGateUp, _sharedHidden, _sharedParts;

    /// <summary>The sizes for <paramref name="numEntries"/> entries of the tokens of x.</summary>
    public ExpertBuffers(ExpertBank bank, Tensor x, int numEntries, PartPlace place)
    {
        nint hidden = x.NumColumns, tokens = x.NumRows, entries = numEntries;
        if (bank.GateUp.Length > 0)
        {
            Inner = bank.GateUp[0].NumRows / 2;
            foreach (Weight gateUp in bank.GateUp) Require(gateUp, Inner);
            _parts = place == PartPlace.Memory ? entries * hidden * bank.Down[0].Leaves!.Count : 0;
        }
        if (bank.SharedGateUp is { } shared)
        {
            SharedInner = shared.NumRows / 2;
            _sharedParts = place == PartPlace.Memory ? tokens * hidden * bank.SharedDown!.Leaves!.Count : 0;
        }
        _gateUp = entries * 2 * Inner;
        _hidden = entries * Inner;
        _sharedGateUp = tokens * 2 * SharedInner;
        _sharedHidden = tokens * SharedInner;
        PartFloatsPerToken = tokens == 0 ? 0 : (_parts + _sharedParts) / tokens;
    }

    /// <summary>Columns of an expert's gate.</summary>
    public int Inner { get; }

    /// <summary>Columns of the shared expert's gate.</summary>
    public int SharedInner { get; }

    /// <summary>Parts that the sums of a token read.</summary>
    public nint PartFloatsPerToken { get; }

    /// <summary>All buffers together.</summary>
    public readonly nint TotalFloats =>
        RoundUp(_gateUp) + RoundUp(_hidden) + RoundUp(_parts)
        + RoundUp(_sharedGateUp) + RoundUp(_sharedHidden) + RoundUp(_sharedParts);

    /// <summary>[entries, 2 * Inner].</summary>
    public float* GateUp { get; private set; }

    /// <summary>[entries, Inner].</summary>
    public float* Hidden { get; private set; }

    /// <summary>[leaves, entries, hidden].</summary>
    public float* Parts { get; private set; }

    /// <summary>[tokens, 2 * SharedInner].</summary>
    public float* SharedGateUp { get; private set; }

    /// <summary>[tokens, SharedInner].</summary>
    public float* SharedHidden { get; private set; }

    /// <summary>[shared leaves, tokens, hidden].</summary>
    public float* SharedParts { get; private set; }

    /// <summary>Puts the buffers one after the other at <paramref name="memory"/>.</summary>
    public void Place(nint memory)
    {
        GateUp = (float*)memory;
        Hidden = GateUp + RoundUp(_gateUp);
        Parts = Hidden + RoundUp(_hidden);
        SharedGateUp = Parts + RoundUp(_parts);
        SharedHidden = SharedGateUp + RoundUp(_sharedGateUp);
        SharedParts = SharedHidden + RoundUp(_sharedHidden);
    }

    private static nint RoundUp(nint floats) => (floats + Alignment - 1) / Alignment * Alignment;

    private static void Require(Weight gateUp, int inner)
    {
        if (gateUp.NumRows != 2 * inner) throw new ShapeException($"experts of {inner} and of {gateUp.NumRows / 2} columns in one layer");
    }
}
