using System.Runtime.CompilerServices;
using Exo.Kernels.Numerics;

namespace Exo.Kernels.Cpu;

/// <summary>out[i] = silu(gate[i]) * up[i] for each row; gate is the row's first half, up its second.</summary>
internal unsafe struct SiluMulOp : IRowOp
{
    public float* GateUp;
    public nint GateUpStride;
    public float* Output;
    public nint OutputStride;
    public int NumColumns;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = start; row < end; row++)
        {
            float* gate = GateUp + (row * GateUpStride);
            Columns<TSimd, TVector>(gate, gate + NumColumns, Output + (row * OutputStride), NumColumns);
        }
    }

    /// <summary>One row, or a part of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Columns<TSimd, TVector>(float* gate, float* up, float* output, int n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= n - TSimd.Width; i += TSimd.Width)
            TSimd.Store(output + i, TSimd.Multiply(TSimd.Silu(TSimd.Load(gate + i)), TSimd.Load(up + i)));
        for (; i < n; i++) output[i] = Fp.Silu(gate[i]) * up[i];
    }
}
