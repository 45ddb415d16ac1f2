namespace Exo.Kernels.Cpu;

/// <summary>Row i of the output is row Rows[i] of the source.</summary>
internal unsafe struct GatherOp : IRowOp
{
    public float* Source;
    public nint SourceStride;
    public int* Rows;
    public float* Output;
    public int NumColumns;

    /// <inheritdoc/>
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = start; row < end; row++)
        {
            var source = new ReadOnlySpan<float>(Source + (Rows[row] * SourceStride), NumColumns);
            source.CopyTo(new Span<float>(Output + ((nint)row * NumColumns), NumColumns));
        }
    }
}
