using Exo.Kernels.Numerics;

namespace Exo.Kernels.Cpu;

/// <summary>Row of a position: the cosines of its angles, then the sines, each times scale in double, rounded to float32.</summary>
internal unsafe struct RopeTableOp : IRowOp
{
    /// <summary>A sine and cosine in double take about as long as this many elements of other operations.</summary>
    public const long CostInElements = 64;

    public int* Positions;
    public double* InverseFrequencies;
    public int NumFrequencies;
    public double Scale;
    public float* Output;
    public nint OutputStride;

    /// <inheritdoc/>
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = start; row < end; row++)
        {
            float* output = Output + (row * OutputStride);
            for (int i = 0; i < NumFrequencies; i++)
            {
                (double sin, double cos) = Fp.SinCos(Positions[row] * InverseFrequencies[i]);
                output[i] = (float)(cos * Scale);
                output[NumFrequencies + i] = (float)(sin * Scale);
            }
        }
    }
}
