namespace Exo.Kernels;

/// <summary>
/// The leaves of a row-parallel weight's reduction dimension that this weight holds (NUMERICS.md, leaves). Leaves belong to the model:
/// a rank holds the leaves [FirstLeaf, FirstLeaf + Count) of NumLeaves.
/// </summary>
public sealed class Leaves
{
    /// <summary>Leaf i of this weight takes the stored columns [bounds[i], bounds[i + 1]).</summary>
    public Leaves(int numLeaves, int firstLeaf, int[] bounds)
    {
        if (bounds.Length < 1 || firstLeaf < 0 || firstLeaf + bounds.Length - 1 > numLeaves)
            throw new ShapeException($"leaves [{firstLeaf}, {firstLeaf + bounds.Length - 1}) of {numLeaves}");
        for (int i = 1; i < bounds.Length; i++)
            if (bounds[i] < bounds[i - 1]) throw new ShapeException($"leaf {i - 1} ends at {bounds[i]}, before it begins at {bounds[i - 1]}");
        NumLeaves = numLeaves;
        FirstLeaf = firstLeaf;
        Bounds = bounds;
        Layout = PartialLayout.OfLeaves(numLeaves, firstLeaf, EndLeaf);
    }

    /// <summary>Leaves of the whole model's weight.</summary>
    public int NumLeaves { get; }

    /// <summary>First leaf held.</summary>
    public int FirstLeaf { get; }

    /// <summary>One past the last leaf held.</summary>
    public int EndLeaf => FirstLeaf + Count;

    /// <summary>Leaves held; may be none.</summary>
    public int Count => Bounds.Length - 1;

    /// <summary>Stored columns at which the held leaves begin, and the end: [Count + 1].</summary>
    public int[] Bounds { get; }

    /// <summary>The nodes of the reduction tree that a product with this weight yields.</summary>
    public PartialLayout Layout { get; }
}

/// <summary>
/// A matrix [NumRows, NumColumns] in the layout of the device that loaded it; opaque to everyone else. Outputs are rows.
/// </summary>
public abstract class Weight(int numRows, int numColumns, int startColumn, Leaves? leaves) : IDisposable
{
    /// <summary>Outputs held.</summary>
    public int NumRows { get; } = numRows;

    /// <summary>Inputs held.</summary>
    public int NumColumns { get; } = numColumns;

    /// <summary>Stored column of the first input held: blocks of int8 activations are absolute.</summary>
    public int StartColumn { get; } = startColumn;

    /// <summary>Leaves of a row-parallel weight; null for a column-parallel one, whose dot products are one leaf.</summary>
    public Leaves? Leaves { get; } = leaves;

    /// <summary>Bytes of device memory that a product with this weight reads.</summary>
    public abstract nint PackedBytes { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device memory.</summary>
    protected abstract void Dispose(bool disposing);
}
