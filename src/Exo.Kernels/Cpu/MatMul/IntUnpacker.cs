using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>Blocks of an integer panel as tiles multiply them, once for all tokens of a piece.</summary>
internal static unsafe class IntUnpacker
{
    /// <summary>Nibbles to bytes: [8 quads of columns][16 outputs][4].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack4(PackedPart* part, byte* panel, int start, int end, byte* to, float* headers)
    {
        Vector256<byte> mask = Vector256.Create((byte)15);
        for (int block = start; block < end; block++, to += 512, headers += IntTile.HeaderFloats)
        {
            byte* from = panel + part->Blocks[(2 * block) + 1];
            for (int i = 0; i < 256; i += 32)
            {
                Vector256<byte> w = Vector256.Load(from + i);
                (w & mask).Store(to + i);
                ((w.AsUInt16() >> 4).AsByte() & mask).Store(to + 256 + i);
            }
            UnpackHeader(part, panel + part->Blocks[2 * block], Int4Panel.Half, headers);
        }
    }

    /// <summary>Bytes to int16: the even columns of the 8 quads, then the odd ones; each [16 outputs][2].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack8(PackedPart* part, byte* panel, int start, int end, byte* to, float* headers)
    {
        for (int block = start; block < end; block++, to += 1024, headers += IntTile.HeaderFloats)
        {
            byte* from = panel + part->Blocks[(2 * block) + 1];
            for (int i = 0; i < 512; i += 32)
            {
                Vector256<short> w = Vector256.Load((short*)(from + i));
                ((w << 8) >> 8).Store((short*)(to + i));
                (w >> 8).Store((short*)(to + 512 + i));
            }
            UnpackHeader(part, panel + part->Blocks[2 * block], Int8Panel.Half, headers);
        }
    }

    /// <summary>The same order for one token's block of 32 quants: even columns of each quad, then odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(sbyte* from, short* to)
    {
        Vector256<short> x = Vector256.Load((short*)from);
        ((x << 8) >> 8).Store(to);
        (x >> 8).Store(to + 16);
    }

    private static void UnpackHeader(PackedPart* part, byte* header, float half, float* to)
    {
        for (int i = 0; i < PackedWeight.PanelRows; i += 8)
        {
            Vector256<float> scale = Headers.Load256(header, i, part->ScaleType);
            scale.Store(to + i);
            if (part->HasBiases == 0) continue;
            Vector256<float> bias = Headers.Load256(header, PackedWeight.PanelRows + i, part->ScaleType);
            Vector256.FusedMultiplyAdd(Vector256.Create(half), scale, bias).Store(to + PackedWeight.PanelRows + i);
        }
    }
}
