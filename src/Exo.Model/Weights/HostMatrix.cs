using Exo.Kernels;

namespace Exo.Model.Weights;

/// <summary>A float32 matrix made on the host, for weights that no file holds in the needed shape.</summary>
public sealed unsafe class HostMatrix(int numRows, int numColumns) : IDisposable
{
    private readonly NativeBuffer _memory = new((nint)numRows * numColumns * sizeof(float));

    /// <summary>A row, [numColumns].</summary>
    public Span<float> Row(int row) => new((float*)_memory.Address + ((nint)row * numColumns), numColumns);

    /// <summary>The matrix as a source; valid until Dispose.</summary>
    public WeightSource Source => new()
    {
        Format = WeightFormat.F32,
        Address = _memory.Address,
        NumRows = numRows,
        RowLength = numColumns,
        EndColumn = numColumns,
    };

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
