using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// out = x * (1 / sqrt(mean(x^2) + epsilon)) * gain for each group of HeadDim columns. Lane j of the sum takes the elements with
/// index = j mod 16; the rest of a group is read as zeros, which changes no lane: fma(0, 0, a) = a for a of +0 or more.
/// </summary>
internal unsafe struct RmsNormOp : IRowOp
{
    public float* X;
    public nint XStride;
    public float* Gain;
    public float Epsilon;
    public int HeadDim;
    public int NumHeads;
    public float* Output;
    public nint OutputStride;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = start; row < end; row++)
        {
            float* x = X + (row * XStride), output = Output + (row * OutputStride);
            for (int head = 0; head < NumHeads; head++, x += HeadDim, output += HeadDim)
            {
                float sum = Lanes.SumOfSquares<TSimd, TVector>(x, HeadDim);
                float scale = 1f / MathF.Sqrt((sum / HeadDim) + Epsilon);
                Scale<TSimd, TVector>(x, scale, Gain, output, HeadDim);
            }
        }
    }

    private static void Scale<TSimd, TVector>(float* x, float scale, float* gain, float* output, int n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector r = TSimd.Broadcast(scale);
        int i = 0;
        for (; i <= n - TSimd.Width; i += TSimd.Width)
            TSimd.Store(output + i, TSimd.Multiply(TSimd.Multiply(TSimd.Load(x + i), r), TSimd.Load(gain + i)));
        for (; i < n; i++) output[i] = x[i] * scale * gain[i];
    }
}
