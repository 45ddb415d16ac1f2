using System.Runtime.InteropServices;
using Exo.Kernels;
using Exo.Kernels.Numerics;

namespace Exo.Testing.Kernels;

/// <summary>Biases of a random affine weight.</summary>
public enum AffineBiases
{
    /// <summary>Any values.</summary>
    Random,

    /// <summary>-2^(bits - 1) * scale, exactly: the recentred biases are zero, as in Q8_0.</summary>
    Centred,
}

/// <summary>Whether a random weight has a row bias.</summary>
public enum RowBiases
{
    /// <summary>None.</summary>
    None,

    /// <summary>One random value an output.</summary>
    Random,
}

/// <summary>What a random weight looks like.</summary>
public sealed record WeightSpec(WeightFormat Format, int NumRows, int RowLength)
{
    /// <summary>Affine formats: columns of a group.</summary>
    public int GroupSize { get; init; } = 32;

    /// <summary>Affine formats: type of scales and biases.</summary>
    public DType ScaleType { get; init; } = DType.F16;

    /// <summary>Affine formats: what the biases are.</summary>
    public AffineBiases Biases { get; init; }

    /// <summary>Added to each output.</summary>
    public RowBiases RowBias { get; init; }
}

/// <summary>
/// A random weight in host memory, as a mapped checkpoint would hold it. Disposing it first overwrites the memory, so that a device
/// that reads it after Load returned is caught.
/// </summary>
public sealed unsafe class HostWeight : IDisposable
{
    private readonly NativeBuffer _elements;
    private readonly NativeBuffer _scales;
    private readonly NativeBuffer _biases;

    /// <summary>Fills a weight with random elements.</summary>
    public HostWeight(Random random, WeightSpec spec)
    {
        nint count = (nint)spec.NumRows * spec.RowLength;
        _elements = new NativeBuffer(count * spec.Format.Bits() / 8);
        bool isAffine = spec.Format.IsAffine();
        nint numGroups = isAffine ? count / spec.GroupSize : 0;
        _scales = new NativeBuffer(numGroups * spec.ScaleType.Bytes());
        _biases = new NativeBuffer(numGroups * spec.ScaleType.Bytes());
        FillElements(random, spec, count);
        FillGroups(random, spec, numGroups);
        Source = new WeightSource
        {
            Format = spec.Format,
            Address = _elements.Address,
            NumRows = spec.NumRows,
            RowLength = spec.RowLength,
            EndColumn = spec.RowLength,
            Scales = isAffine ? _scales.Address : 0,
            Biases = isAffine ? _biases.Address : 0,
            ScaleType = spec.ScaleType,
            GroupSize = isAffine ? spec.GroupSize : 0,
            RowBias = spec.RowBias == RowBiases.Random ? RandomValues.Uniform(random, spec.NumRows) : null,
        };
    }

    /// <summary>All rows and columns of the weight.</summary>
    public WeightSource Source { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in new[] { _elements, _scales, _biases })
        {
            NativeMemory.Fill((void*)buffer.Address, (nuint)buffer.Bytes, 0xFF);
            buffer.Dispose();
        }
    }

    private void FillElements(Random random, WeightSpec spec, nint count)
    {
        if (spec.Format.IsAffine())
        {
            random.NextBytes(new Span<byte>((void*)_elements.Address, (int)_elements.Bytes));
            return;
        }
        DType type = spec.Format switch { WeightFormat.F32 => DType.F32, WeightFormat.F16 => DType.F16, _ => DType.BF16 };
        for (nint i = 0; i < count; i++) Store(_elements, type, i, RandomValues.Uniform(random));
    }

    private void FillGroups(Random random, WeightSpec spec, nint numGroups)
    {
        for (nint i = 0; i < numGroups; i++)
        {
            float scale = Store(_scales, spec.ScaleType, i, RandomValues.Uniform(random) / (1 << (spec.Format.Bits() - 1)));
            float bias = spec.Biases == AffineBiases.Centred ? -scale * (1 << (spec.Format.Bits() - 1)) : RandomValues.Uniform(random);
            Store(_biases, spec.ScaleType, i, bias);
        }
    }

    // Rounds, stores, and gives what was stored.
    private static float Store(NativeBuffer buffer, DType type, nint index, float value)
    {
        if (type == DType.F32) return ((float*)buffer.Address)[index] = value;
        ushort bits = type == DType.F16 ? Fp.SingleToHalf(value) : Fp.SingleToBFloat16(value);
        ((ushort*)buffer.Address)[index] = bits;
        return type == DType.F16 ? Fp.HalfToSingle(bits) : Fp.BFloat16ToSingle(bits);
    }
}
