using System.Runtime.InteropServices;

namespace Exo.Kernels.Tests.Cpu;

/// <summary>How the scales and biases of a random affine weight are chosen.</summary>
public enum AffineKind
{
    /// <summary>bias = -2^(bits - 1) * scale: recentred biases are zero.</summary>
    Symmetric,

    /// <summary>Any bias.</summary>
    Asymmetric,
}

/// <summary>Random weights in host memory, freed with this object.</summary>
public sealed unsafe class RandomWeights(int seed) : IDisposable
{
    private readonly Random _random = new(seed);
    private readonly List<nint> _memory = [];

    /// <summary>A matrix [numRows, rowLength] of which the columns [start, end) are wanted.</summary>
    public WeightSource Make(
        WeightFormat format, int numRows, int rowLength, int start, int end, int groupSize, DType scaleType, AffineKind kind, bool hasRowBias)
    {
        nint elements = (nint)numRows * rowLength, groups = elements / groupSize;
        byte* values = Allocate(elements * format.Bits() / 8);
        float[]? rowBias = hasRowBias ? [.. Enumerable.Range(0, numRows).Select(_ => NextFloat())] : null;
        var source = new WeightSource
        {
            Format = format,
            Address = (nint)values,
            NumRows = numRows,
            RowLength = rowLength,
            StartColumn = start,
            EndColumn = end,
            RowBias = rowBias,
        };
        if (!format.IsAffine())
        {
            DType type = format switch { WeightFormat.F32 => DType.F32, WeightFormat.F16 => DType.F16, _ => DType.BF16 };
            for (nint i = 0; i < elements; i++) Store(values, i, NextFloat(), type);
            return source;
        }
        _random.NextBytes(new Span<byte>(values, checked((int)(elements * format.Bits() / 8))));
        byte* scales = Allocate(groups * scaleType.Bytes()), biases = Allocate(groups * scaleType.Bytes());
        for (nint i = 0; i < groups; i++)
        {
            Store(scales, i, NextFloat() * 0.1f, scaleType);
            float scale = Load(scales, i, scaleType);
            Store(biases, i, kind == AffineKind.Symmetric ? -(1 << (format.Bits() - 1)) * scale : NextFloat(), scaleType);
        }
        return source with { Scales = (nint)scales, Biases = (nint)biases, ScaleType = scaleType, GroupSize = groupSize };
    }

    /// <summary>Activations with a few outliers, zeros and a zero block.</summary>
    public float[] Activations(int count)
    {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) x[i] = _random.Next(20) == 0 ? 30f * NextFloat() : _random.Next(15) == 0 ? 0f : NextFloat();
        if (count >= 96) x.AsSpan(32, 64).Clear();
        return x;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint memory in _memory) NativeMemory.Free((void*)memory);
    }

    private static void Store(byte* to, nint index, float value, DType type)
    {
        if (type == DType.F32) ((float*)to)[index] = value;
        else if (type == DType.F16) ((Half*)to)[index] = (Half)value;
        else ((ushort*)to)[index] = (ushort)(BitConverter.SingleToInt32Bits(value) >> 16);
    }

    private static float Load(byte* from, nint index, DType type) => type switch
    {
        DType.F32 => ((float*)from)[index],
        DType.F16 => (float)((Half*)from)[index],
        _ => BitConverter.Int32BitsToSingle(((ushort*)from)[index] << 16),
    };

    private float NextFloat() => ((float)_random.NextDouble() * 2f) - 1f;

    private byte* Allocate(nint bytes)
    {
        var memory = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(bytes, 1));
        _memory.Add((nint)memory);
        return memory;
    }
}
