using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>a[t] += b[t], or the same row b for every t where BStride is 0.</summary>
internal unsafe struct AddOp : IRowOp
{
    public float* A;
    public nint AStride;
    public float* B;
    public nint BStride;
    public int NumColumns;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = start; row < end; row++)
        {
            float* a = A + (row * AStride);
            Columns<TSimd, TVector>(a, B + (row * BStride), a, NumColumns);
        }
    }

    /// <summary>output = a + b; output may be either.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Columns<TSimd, TVector>(float* a, float* b, float* output, int n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= n - TSimd.Width; i += TSimd.Width) TSimd.Store(output + i, TSimd.Add(TSimd.Load(a + i), TSimd.Load(b + i)));
        for (; i < n; i++) output[i] = a[i] + b[i];
    }
}
