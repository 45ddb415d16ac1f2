namespace Exo.Kernels;

/// <summary>A weight matrix packed for the CPU: owner of the panels and of their description.</summary>
internal sealed unsafe class CpuWeight : Weight
{
    private readonly NativeBuffer _planMemory;
    private readonly NativeBuffer _description;
    private readonly IDisposable[] _memory;

    /// <summary>Takes ownership of the buffers that <paramref name="parts"/> and <paramref name="plan"/> point into.</summary>
    public CpuWeight(
        int numRows, int numColumns, int startColumn, Leaves? leaves, PackedPart[] parts, ColumnPlan plan, NativeBuffer planMemory,
            IDisposable[] memory)
        : base(numRows, numColumns, startColumn, leaves)
    {
        _planMemory = planMemory;
        _memory = memory;
        _description = new NativeBuffer(sizeof(PackedWeight) + ((nint)parts.Length * sizeof(PackedPart)));
        Packed = (PackedWeight*)_description.Address;
        *Packed = new PackedWeight
        {
            NumRows = numRows,
            NumColumns = numColumns,
            NumParts = parts.Length,
            Parts = (PackedPart*)(Packed + 1),
            Plan = plan,
        };
        for (int i = 0; i < parts.Length; i++)
        {
            Packed->Parts[i] = parts[i];
            PackedBytes += parts[i].NumPanels * parts[i].PanelBytes;
        }
    }

    /// <inheritdoc/>
    public override nint PackedBytes { get; }

    /// <summary>The panels, for kernels.</summary>
    public PackedWeight* Packed { get; private set; }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        Packed = null;
        if (!disposing) return;
        foreach (IDisposable memory in _memory) memory.Dispose();
        _description.Dispose();
        _planMemory.Dispose();
    }
}
