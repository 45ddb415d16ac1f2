using System.Buffers.Binary;

namespace Exo.WeightsTools.Gguf;

/// <summary>The types whose blocks of 256 hold small scales that are themselves scaled by 16-bit floats.</summary>
internal static class GgmlSuperBlocks
{
    public static void Unpack(GgmlType type, ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        switch (type)
        {
            case GgmlType.Q2_K: UnpackQ2K(block, q, scales, biases); break;
            case GgmlType.Q3_K: UnpackQ3K(block, q, scales, biases); break;
            case GgmlType.Q4_K: UnpackQ4K(block, q, scales, biases); break;
            case GgmlType.Q5_K: UnpackQ5K(block, q, scales, biases); break;
            case GgmlType.Q6_K: UnpackQ6K(block, q, scales, biases); break;
            case GgmlType.IQ4_XS: UnpackIQ4XS(block, q, scales, biases); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "expected a type with blocks of 256");
        }
    }

    // scales[16]: scale below, minimum above; qs[64]; d; dmin. Groups of 16.
    private static void UnpackQ2K(ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        float d = GgmlBlocks.HalfAt(block, 80), dmin = GgmlBlocks.HalfAt(block, 82);
        for (int i = 0; i < 256; i++) q[i] = TwoBits(block[16..], i);
        for (int g = 0; g < 16; g++) (scales[g], biases[g]) = (d * (block[g] & 15), -dmin * (block[g] >> 4));
    }

    // hmask[32]: the third bit; qs[64]; 16 scales of 6 bits in 12 bytes; d. Groups of 16.
    private static void UnpackQ3K(ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        float d = GgmlBlocks.HalfAt(block, 108);
        ReadOnlySpan<byte> small = block.Slice(96, 12);
        for (int i = 0; i < 256; i++) q[i] = (byte)(TwoBits(block[32..], i) | ((block[i & 31] >> (i >> 5)) & 1) << 2);
        for (int g = 0; g < 16; g++)
        {
            int low = (small[g & 7] >> (g < 8 ? 0 : 4)) & 15;
            int high = (small[8 + (g & 3)] >> (2 * (g >> 2))) & 3;
            GgmlBlocks.Symmetric(d * ((low | high << 4) - 32), 4, scales[g..], biases[g..]);
        }
    }

    // d; dmin; 8 scales and 8 minima of 6 bits in 12 bytes; qs[128]. Groups of 32.
    private static void UnpackQ4K(ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        for (int i = 0; i < 256; i++) q[i] = PairedNibble(block[16..], i);
        ScalesAndMinima(block, scales, biases);
    }

    // As Q4_K, with qh[32] between: bit g of byte i is the fifth bit of element i of group g.
    private static void UnpackQ5K(ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        for (int i = 0; i < 256; i++) q[i] = (byte)(PairedNibble(block[48..], i) | ((block[16 + (i & 31)] >> (i >> 5)) & 1) << 4);
        ScalesAndMinima(block, scales, biases);
    }

    // ql[128]; qh[64]; 16 signed scales; d. Groups of 16.
    private static void UnpackQ6K(ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        float d = GgmlBlocks.HalfAt(block, 208);
        for (int i = 0; i < 256; i++)
        {
            int half = i >> 7, quarter = (i >> 5) & 3, at = i & 31;
            int low = block[64 * half + 32 * (quarter & 1) + at] >> (quarter < 2 ? 0 : 4);
            int high = block[128 + 32 * half + at] >> (2 * quarter);
            q[i] = (byte)((low & 15) | (high & 3) << 4);
        }
        for (int g = 0; g < 16; g++) GgmlBlocks.Symmetric(d * (sbyte)block[192 + g], 32, scales[g..], biases[g..]);
    }

    // d; upper 2 bits of 8 scales; their lower 4 bits; qs[128]. Groups of 32.
    private static void UnpackIQ4XS(ReadOnlySpan<byte> block, Span<byte> q, Span<float> scales, Span<float> biases)
    {
        float d = GgmlBlocks.HalfAt(block, 0);
        int high = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        for (int g = 0; g < 8; g++)
        {
            int scale = ((block[4 + (g >> 1)] >> (4 * (g & 1))) & 15) | ((high >> (2 * g)) & 3) << 4;
            GgmlBlocks.Levels(block.Slice(8 + 16 * g, 16), q.Slice(32 * g, 32), CodeBooks.NonLinear);
            GgmlBlocks.Symmetric(d * (scale - 32), 128, scales[g..], biases[g..]);
        }
    }

    // Two bits of element i: 32 bytes serve 128 elements, the lowest bits of each byte first.
    private static byte TwoBits(ReadOnlySpan<byte> packed, int i) => (byte)((packed[32 * (i >> 7) + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3);

    // A nibble of element i: 32 bytes serve two groups of 32.
    private static byte PairedNibble(ReadOnlySpan<byte> packed, int i) => (byte)((packed[32 * (i >> 6) + (i & 31)] >> (4 * ((i >> 5) & 1))) & 15);

    private static void ScalesAndMinima(ReadOnlySpan<byte> block, Span<float> scales, Span<float> biases)
    {
        float d = GgmlBlocks.HalfAt(block, 0), dmin = GgmlBlocks.HalfAt(block, 2);
        ReadOnlySpan<byte> small = block.Slice(4, 12);
        for (int g = 0; g < 8; g++)
        {
            // The first four are whole bytes' lower six bits; the others' upper two bits are what those bytes have left.
            int scale = g < 4 ? small[g] & 63 : (small[g + 4] & 15) | (small[g - 4] >> 6) << 4;
            int minimum = g < 4 ? small[g + 4] & 63 : (small[g + 4] >> 4) | (small[g] >> 6) << 4;
            (scales[g], biases[g]) = (d * scale, -dmin * minimum);
        }
    }
}
