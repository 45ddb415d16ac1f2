using System.Buffers.Binary;

namespace Exo.WeightsTools.Gguf;

/// <summary>
/// Block types taken apart. Every one of them is q (a byte), scale and bias, the last two shared by a group of 16 or 32, with
/// w = fma(q, scale, bias) exactly the value the type defines: products of a 16-bit float with such small integers are exact in
/// float32, so at most the one addition rounds, and the type's definition rounds there too.
/// Layouts: github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/quants.py
/// </summary>
public static class GgmlBlocks
{
    /// <summary>Elements that share a scale; 0 for the types that are no blocks (F32, F16, BF16).</summary>
    public static int GroupSize(GgmlType type) => type switch
    {
        GgmlType.F32 or GgmlType.F16 or GgmlType.BF16 => 0,
        GgmlType.Q2_K or GgmlType.Q3_K or GgmlType.Q6_K => 16,
        _ => 32,
    };

    /// <summary>Takes a row apart: q for each element, scale and bias for each group.</summary>
    public static void Unpack(GgmlType type, ReadOnlySpan<byte> row, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        GgmlBlock block = type.Block();
        int groups = block.Elements / GroupSize(type);
        for (int b = 0; b < row.Length / block.Bytes; b++)
        {
            UnpackBlock(
                type, row.Slice(b * block.Bytes, block.Bytes), q.Slice(b * block.Elements, block.Elements),
                scales.Slice(b * groups, groups), biases.Slice(b * groups, groups));
        }
    }

    /// <summary>A row of any type as float32, exactly.</summary>
    public static void Dequantize(GgmlType type, ReadOnlySpan<byte> row, Span<float> values)
    {
        int groupSize = GroupSize(type);
        if (groupSize == 0)
        {
            Exo.Model.Weights.HostTensor.TryDecode(Enum.Parse<Exo.Model.Weights.SafetensorsDtype>(type.ToString()), row, values);
            return;
        }
        byte[] q = new byte[values.Length];
        float[] scales = new float[values.Length / groupSize];
        float[] biases = new float[values.Length / groupSize];
        Unpack(type, row, q, scales, biases);
        for (int i = 0; i < values.Length; i++)
            values[i] = float.FusedMultiplyAdd(q[i], scales[i / groupSize], biases[i / groupSize]);
    }

    private static void UnpackBlock(GgmlType type, ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        switch (type)
        {
            case GgmlType.Q4_0:
                Nibbles(block[2..], q);
                Symmetric(HalfAt(block, 0), 8, scales, biases);
                break;
            case GgmlType.Q4_1:
                Nibbles(block[4..], q);
                (scales[0], biases[0]) = (HalfAt(block, 0), HalfAt(block, 2));
                break;
            case GgmlType.Q5_0:
                // Moved from the type's centre, 16, to that of a byte, so that 8-bit groups made of it are symmetric too.
                FifthBits(block[6..], block[2..], q, add: 128 - 16);
                Symmetric(HalfAt(block, 0), 128, scales, biases);
                break;
            case GgmlType.Q5_1:
                FifthBits(block[8..], block[4..], q, add: 0);
                (scales[0], biases[0]) = (HalfAt(block, 0), HalfAt(block, 2));
                break;
            case GgmlType.Q8_0:
                for (int i = 0; i < 32; i++) q[i] = (byte)(block[2 + i] ^ 0x80); // two's complement plus 128
                Symmetric(HalfAt(block, 0), 128, scales, biases);
                break;
            case GgmlType.IQ4_NL:
                Levels(block[2..], q, CodeBooks.NonLinear);
                Symmetric(HalfAt(block, 0), 128, scales, biases);
                break;
            case GgmlType.MXFP4:
                Levels(block[1..], q, CodeBooks.Float4);
                Symmetric(MathF.ScaleB(1, block[0] - 128), 128, scales, biases); // the book holds twice the values
                break;
            default:
                GgmlSuperBlocks.Unpack(type, block, q, scales, biases);
                break;
        }
    }

    internal static float HalfAt(ReadOnlySpan<byte> bytes, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[at..]);

    internal static void Symmetric(float scale, int center, Span<float> scales, Span<float> biases) =>
        (scales[0], biases[0]) = (scale, -center * scale);

    // Low nibbles of 16 bytes, then their high nibbles.
    private static void Nibbles(ReadOnlySpan<byte> packed, Span<byte> q)
    {
        for (int i = 0; i < 16; i++)
        {
            q[i] = (byte)(packed[i] & 15);
            q[i + 16] = (byte)(packed[i] >> 4);
        }
    }

    // Nibbles with a fifth bit each: bit i of a 32-bit word.
    private static void FifthBits(ReadOnlySpan<byte> packed, ReadOnlySpan<byte> high, Span<byte> q, int add)
    {
        Nibbles(packed, q);
        uint bits = BinaryPrimitives.ReadUInt32LittleEndian(high);
        for (int i = 0; i < 32; i++) q[i] = (byte)((q[i] | (int)((bits >> i) & 1) << 4) + add);
    }

    /// <summary>Nibbles that choose from 16 signed levels, stored plus 128.</summary>
    internal static void Levels(ReadOnlySpan<byte> packed, Span<byte> q, ReadOnlySpan<sbyte> levels)
    {
        Nibbles(packed, q);
        for (int i = 0; i < 32; i++) q[i] = (byte)(levels[q[i]] + 128);
    }
}

/// <summary>Levels that 4-bit codes stand for.</summary>
internal static class CodeBooks
{
    /// <summary>IQ4_NL and IQ4_XS (ggml-common.h, kvalues_iq4nl).</summary>
    public static ReadOnlySpan<sbyte> NonLinear => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>Twice the values of FP4 E2M1 (OCP Microscaling Formats, 5.3.3).</summary>
    public static ReadOnlySpan<sbyte> Float4 => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
}
