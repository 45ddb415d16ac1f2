using System.Buffers.Binary;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>Rows of GGUF blocks as affine groups of 32 with the same values.</summary>
public static class AffineRows
{
    public const int GroupSize = 32;

    /// <summary>The affine format that holds all values of a block type; null if none does (scales of groups of 16, or no blocks).</summary>
    public static AffineFormat? FormatOf(GgmlType type) => type switch
    {
        GgmlType.Q4_0 or GgmlType.Q4_1 or GgmlType.Q4_K => new AffineFormat(4, GroupSize),
        GgmlType.Q5_0 or GgmlType.Q5_1 or GgmlType.Q5_K or GgmlType.Q8_0 => new AffineFormat(8, GroupSize),
        GgmlType.IQ4_NL or GgmlType.IQ4_XS or GgmlType.MXFP4 => new AffineFormat(8, GroupSize),
        _ => null,
    };

    /// <summary>True if all values are finite.</summary>
    public static bool AllFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value)) return false;
        }
        return true;
    }

    /// <summary>True if F16 holds all values exactly.</summary>
    public static bool FitHalf(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if ((float)(Half)value != value) return false;
        }
        return true;
    }

    /// <summary>Puts q into the row's little-endian bit stream.</summary>
    public static void Pack(int bits, ReadOnlySpan<byte> q, Span<byte> packed)
    {
        if (bits == 8)
        {
            q.CopyTo(packed);
            return;
        }
        for (int i = 0; i < q.Length; i += 2) packed[i / 2] = (byte)(q[i] | q[i + 1] << 4);
    }

    /// <summary>Floats as F32, F16 or BF16, rounded to nearest even where they do not fit.</summary>
    public static void Encode(SafetensorsDtype type, ReadOnlySpan<float> values, Span<byte> destination)
    {
        for (int i = 0; i < values.Length; i++)
        {
            switch (type)
            {
                case SafetensorsDtype.F32: BinaryPrimitives.WriteSingleLittleEndian(destination[(4 * i)..], values[i]); break;
                case SafetensorsDtype.F16: BinaryPrimitives.WriteHalfLittleEndian(destination[(2 * i)..], (Half)values[i]); break;
                case SafetensorsDtype.BF16: BinaryPrimitives.WriteUInt16LittleEndian(destination[(2 * i)..], ToBFloat16(values[i])); break;
                default: throw new ArgumentOutOfRangeException(nameof(type), type, "expected F32, F16 or BF16");
            }
        }
    }

    private static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)(bits >> 16 | 0x40); // stays a NaN, whichever bits it had
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
