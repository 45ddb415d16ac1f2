using System.Buffers.Binary;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Export;

/// <summary>Rows of affine groups as GGUF blocks with the same values, where there are such blocks.</summary>
internal static class GgmlRows
{
    private const int BlockSize = 32;

    /// <summary>
    /// The block type that holds all values of a tensor: Q4_0 and Q8_0 where every bias is -2^(bits-1) scales, Q4_1 for other 4-bit
    /// ones, always with F16 scales. null where a scale or bias is no F16, or no such type exists.
    /// </summary>
    public static GgmlType? TypeFor(AffineTensor tensor)
    {
        if (tensor.Format.Bits is not (4 or 8)) return null;
        int center = 1 << (tensor.Format.Bits - 1);
        bool symmetric = true, scalesFit = true, biasesFit = true;
        float[] scales = new float[tensor.NumGroups], biases = new float[tensor.NumGroups];
        for (long row = 0; row < tensor.Rows; row++)
        {
            tensor.ReadGroups(row, scales, biases);
            for (int g = 0; g < scales.Length; g++)
            {
                symmetric &= biases[g] == -center * scales[g];
                scalesFit &= (float)(Half)scales[g] == scales[g];
                biasesFit &= (float)(Half)biases[g] == biases[g];
            }
        }
        if (!scalesFit) return null;
        if (symmetric) return tensor.Format.Bits == 4 ? GgmlType.Q4_0 : GgmlType.Q8_0;
        return tensor.Format.Bits == 4 && biasesFit ? GgmlType.Q4_1 : null;
    }

    /// <summary>One row as blocks; groups of 64 and 128 become several blocks with the same scale.</summary>
    public static void Write(GgmlType type, AffineTensor tensor, long row, Span<byte> destination)
    {
        byte[] q = new byte[tensor.Columns];
        float[] scales = new float[tensor.NumGroups], biases = new float[tensor.NumGroups];
        tensor.ReadQuanta(row, q);
        tensor.ReadGroups(row, scales, biases);
        int blockBytes = type.Block().Bytes;
        for (int b = 0; b < q.Length / BlockSize; b++)
        {
            int group = b * BlockSize / tensor.Format.GroupSize;
            WriteBlock(type, q.AsSpan(b * BlockSize, BlockSize), scales[group], biases[group], destination.Slice(b * blockBytes, blockBytes));
        }
    }

    private static void WriteBlock(GgmlType type, ReadOnlySpan<byte> q, float scale, float bias, Span<byte> block)
    {
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
        switch (type)
        {
            case GgmlType.Q4_0:
                WriteNibbles(q, block[2..]);
                break;
            case GgmlType.Q4_1:
                BinaryPrimitives.WriteHalfLittleEndian(block[2..], (Half)bias);
                WriteNibbles(q, block[4..]);
                break;
            case GgmlType.Q8_0:
                for (int i = 0; i < BlockSize; i++) block[2 + i] = (byte)(q[i] ^ 0x80); // minus 128, in two's complement
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "expected Q4_0, Q4_1 or Q8_0");
        }
    }

    private static void WriteNibbles(ReadOnlySpan<byte> q, Span<byte> packed)
    {
        for (int i = 0; i < BlockSize / 2; i++) packed[i] = (byte)(q[i] | q[i + BlockSize / 2] << 4);
    }
}
