using Exo.Kernels;

namespace Exo.Model.Layers;

/// <summary>One pass through the layers: which rows there are, and what the layers share.</summary>
public sealed class Step(Device device)
{
    private readonly List<(Rope Rope, Tensor Table)> _tables = [];

    /// <summary>Rows, positions and pages.</summary>
    public StepBatch Batch { get; } = new();

    /// <summary>Of each sequence, the most positions that it was admitted for: some ropes depend on it.</summary>
    public List<int> AdmittedLimits { get; } = [];

    /// <summary>Token ids of the rows: [NumRows].</summary>
    public List<int> Ids { get; } = [];

    /// <summary>Called after each layer with its index and output, when set: for diagnosis.</summary>
    public Action<int, Tensor>? LayerObserver { get; set; }

    /// <summary>Empties the step for the next one; tensors of the last are dead from here on.</summary>
    public void Clear()
    {
        Batch.Clear();
        AdmittedLimits.Clear();
        Ids.Clear();
        BeginPass();
    }

    /// <summary>Adds a sequence's new ids from <paramref name="firstPosition"/> on.</summary>
    public void AddSequence(int firstPosition, ReadOnlySpan<int> ids, ReadOnlySpan<int> pages, int admittedLimit)
    {
        Batch.AddSequence(firstPosition, ids.Length, pages);
        Ids.AddRange(ids);
        AdmittedLimits.Add(admittedLimit);
    }

    /// <summary>Resets the arena: a pass over the same rows may begin.</summary>
    public void BeginPass()
    {
        _tables.Clear();
        device.Arena.Reset();
    }

    /// <summary>Cosines and sines of the rows for one rope, made once a step: [rows, rotaryDim].</summary>
    public Tensor RopeTable(Rope rope)
    {
        foreach ((Rope known, Tensor existing) in _tables)
            if (ReferenceEquals(known, rope)) return existing;
        Tensor table = device.Arena.Allocate(Batch.NumRows, rope.RotaryDim);
        for (int s = 0; s < Batch.NumSequences; s++)
        {
            int start = Batch.RowStarts[s], end = Batch.RowStarts[s + 1];
            device.RopeTable(Batch.Positions[start..end], rope.InverseFrequencies(AdmittedLimits[s]), rope.Scale, table.Rows(start, end));
        }
        _tables.Add((rope, table));
        return table;
    }
}
