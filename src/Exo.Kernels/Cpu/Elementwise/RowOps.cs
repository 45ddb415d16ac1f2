using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>Work that is done row by row: a struct of pointers and sizes, compiled for each vector width.</summary>
internal interface IRowOp
{
    /// <summary>The rows [start, end).</summary>
    void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;
}

/// <summary>A row operation and how its rows are cut into pieces.</summary>
internal struct RowJob<TOp>
    where TOp : unmanaged, IRowOp
{
    public TOp Op;
    public int NumRows;
    public int RowsPerPiece;

    /// <summary>The thread team's body: piece i takes RowsPerPiece rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void Piece<TSimd, TVector>(void* job, int piece, int worker)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        var self = (RowJob<TOp>*)job;
        int start = piece * self->RowsPerPiece;
        self->Op.Run<TSimd, TVector>(start, Math.Min(start + self->RowsPerPiece, self->NumRows));
    }
}
