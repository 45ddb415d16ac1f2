using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>RMS norm of whole rows.</summary>
public sealed record RmsNormCase(int NumRows, int NumColumns, float Epsilon = 1e-5f) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        Tensor gain = device.LoadVector(RandomValues.Uniform(random, NumColumns));
        return Values(device, device.RmsNorm(WriteStrided(device, random, NumRows, NumColumns), gain, Epsilon));
    }
}

/// <summary>RMS norm of each head, in place.</summary>
public sealed record RmsNormHeadsCase(int NumRows, int NumHeads, int HeadDim) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        Tensor gain = device.LoadVector(RandomValues.Uniform(random, HeadDim));
        Tensor x = WriteStrided(device, random, NumRows, NumHeads * HeadDim);
        device.RmsNormHeads(x, HeadDim, gain, 1e-6f);
        return Values(device, x);
    }
}

/// <summary>A table of angles and a rotation by it. Positions up to a million.</summary>
public sealed record RopeCase(int NumRows, int NumHeads, int HeadDim, int Offset, int NumPairs, RopePairs Pairs) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        double[] frequencies = new double[NumPairs];
        for (int i = 0; i < NumPairs; i++) frequencies[i] = random.NextDouble() * Math.Pow(10, -random.Next(5));
        int[] positions = new int[NumRows];
        for (int t = 0; t < NumRows; t++) positions[t] = random.Next(1_000_000);
        Tensor table = device.Arena.Allocate(NumRows, 2 * NumPairs);
        int half = NumRows / 2;
        device.RopeTable(positions.AsSpan(0, half), frequencies, 1.0 + random.NextDouble(), table.Rows(0, half));
        device.RopeTable(positions.AsSpan(half), frequencies, 1.0, table.Rows(half, NumRows));
        Tensor x = WriteStrided(device, random, NumRows, NumHeads * HeadDim);
        device.Rope(x, table, HeadDim, Offset, Pairs);
        return [.. Values(device, table), .. Values(device, x)];
    }
}

/// <summary>silu(gate) * up.</summary>
public sealed record SiluMulCase(int NumRows, int NumColumns) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        float[] values = RandomValues.Uniform(random, NumRows * NumColumns * 2);
        for (int i = 0; i < values.Length; i++) values[i] *= MathF.ScaleB(1f, random.Next(-8, 7));
        return Values(device, device.SiluMul(device.Write(values, NumRows, 2 * NumColumns)));
    }
}

/// <summary>a += b.</summary>
public sealed record AddCase(int NumRows, int NumColumns) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        Tensor a = WriteStrided(device, random, NumRows, NumColumns), b = WriteStrided(device, random, NumRows, NumColumns);
        device.Add(a, b);
        return Values(device, a);
    }
}

/// <summary>a[t] += b.</summary>
public sealed record AddRowCase(int NumRows, int NumColumns) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        Tensor a = WriteStrided(device, random, NumRows, NumColumns), b = device.LoadVector(RandomValues.Uniform(random, NumColumns));
        device.AddRow(a, b);
        return Values(device, a);
    }
}

/// <summary>Rows copied, some of them twice.</summary>
public sealed record SelectRowsCase(int NumRows, int NumColumns, int NumSelected) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        Tensor x = WriteStrided(device, random, NumRows, NumColumns);
        int[] rows = new int[NumSelected];
        for (int i = 0; i < rows.Length; i++) rows[i] = random.Next(NumRows);
        return Values(device, device.SelectRows(x, rows));
    }
}
