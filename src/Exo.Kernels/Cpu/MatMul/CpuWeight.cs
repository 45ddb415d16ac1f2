namespace Exo.Kernels;

/// <summary>A weight matrix packed for the CPU.</summary>
internal sealed class CpuWeight(int numRows, int numColumns, int startColumn, Leaves? leaves) : Weight(numRows, numColumns, startColumn, leaves)
{
    /// <inheritdoc/>
    public override nint PackedBytes => 0;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }
}
