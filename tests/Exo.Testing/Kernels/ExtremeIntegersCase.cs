using System.Runtime.InteropServices;
using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>Activations of +-127 and weights at the ends of their range, signs alike: the largest sums an integer dot product can meet.</summary>
public sealed record ExtremeIntegersCase(int NumTokens, WeightFormat Format) : KernelCase
{
    private const int NumRows = 19;
    private const int NumColumns = 160;

    /// <inheritdoc/>
    protected override unsafe float[] Run(Device device, Random random)
    {
        using var host = new HostWeight(random, new WeightSpec(Format, NumRows, NumColumns));
        nint bytes = NumRows * host.Source.RowBytes;
        NativeMemory.Clear((void*)host.Source.Address, (nuint)bytes); // q' = -8 or -128
        byte* row = (byte*)host.Source.Address + host.Source.RowBytes;
        for (nint i = 0; i < host.Source.RowBytes; i++) row[i] = 0xFF; // row 1: q' = 7 or 127
        using Weight weight = device.Load([host.Source], ActivationFormat.Int8);
        float[] x = new float[NumTokens * NumColumns];
        for (int i = 0; i < x.Length; i++) x[i] = i / NumColumns % 3 == 2 && random.Next(2) == 0 ? 1f : -1f;
        return Values(device, device.MatMul(device.Write(x, NumTokens, NumColumns), weight));
    }
}
