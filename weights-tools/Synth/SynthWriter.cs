using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Synth;

/// <summary>How a random model's matrices are stored.</summary>
public enum SynthFormat
{
    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Affine, 8 bits, groups of 32, symmetric: bias = -128 scale.</summary>
    Q8,

    /// <summary>Affine, 4 bits, groups of 32, symmetric: bias = -8 scale.</summary>
    Q4,
}

/// <summary>Writes random tensors: uniform, of mean 0 and deviation 1 / sqrt(columns), so that activations keep their size.</summary>
internal sealed class SynthWriter(ShardedSafetensorsWriter writer, SynthFormat format, ulong seed)
{
    private const int GroupSize = AffineRows.GroupSize;
    private const int BatchElements = 1 << 20;

    private readonly RandomBits _random = new(seed);

    public static AffineFormat? AffineOf(SynthFormat format) => format switch
    {
        SynthFormat.Q8 => new AffineFormat(8, GroupSize),
        SynthFormat.Q4 => new AffineFormat(4, GroupSize),
        _ => null,
    };

    /// <summary>Norms and routers stay bfloat16: routers are small, and rounding one would change which experts answer.</summary>
    public static bool IsQuantized(SynthFormat format, string name, long[] shape) =>
        format != SynthFormat.BF16 && shape.Length == 2 && !name.EndsWith(".mlp.gate.weight", StringComparison.Ordinal);

    public static IEnumerable<TensorSpec> Specs(SynthFormat format, string name, long[] shape)
    {
        if (!IsQuantized(format, name, shape)) return [new TensorSpec(name, SafetensorsDtype.BF16, shape)];
        string module = name[..^".weight".Length];
        long[] groups = [shape[0], shape[1] / GroupSize];
        return
        [
            new TensorSpec(name, SafetensorsDtype.U32, [shape[0], shape[1] * AffineOf(format)!.Value.Bits / 32]),
            new TensorSpec(module + ".scales", SafetensorsDtype.F16, groups),
            new TensorSpec(module + ".biases", SafetensorsDtype.F16, groups),
        ];
    }

    public void Write(string name, long[] shape, Action<long> progress)
    {
        long elements = shape.Aggregate(1L, (a, b) => a * b);
        float deviation = shape.Length == 2 && name != "model.embed_tokens.weight" ? 1 / MathF.Sqrt(shape[1]) : 1;
        for (long done = 0; done < elements; done += BatchElements)
        {
            int count = (int)Math.Min(BatchElements, elements - done);
            if (shape.Length == 1) WriteOnes(name, count);
            else if (IsQuantized(format, name, shape)) WriteAffine(name, count, deviation);
            else WriteBFloat16(name, count, deviation);
            progress(count);
        }
    }

    private void WriteOnes(string name, int count)
    {
        ushort[] ones = new ushort[count];
        ones.AsSpan().Fill(0x3f80);
        writer.Append(name, MemoryMarshal.AsBytes(ones.AsSpan()));
    }

    // A uniform 16-bit integer times a step; the deviation of a uniform value in [-1, 1) is 1 / sqrt(3).
    private void WriteBFloat16(string name, int count, float deviation)
    {
        byte[] bytes = new byte[2 * count];
        _random.Fill(bytes);
        float step = deviation * MathF.Sqrt(3) / 32768;
        for (int i = 0; i < count; i++)
        {
            short integer = BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(2 * i));
            uint bits = BitConverter.SingleToUInt32Bits((integer + 0.5f) * step);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * i), (ushort)((bits + 0x8000) >> 16));
        }
        writer.Append(name, bytes);
    }

    private void WriteAffine(string name, int count, float deviation)
    {
        int bits = AffineOf(format)!.Value.Bits;
        int center = 1 << (bits - 1);
        byte[] packed = new byte[count / 8 * bits];
        _random.Fill(packed);
        Centered(packed, bits);
        byte[] scales = new byte[count / GroupSize * 2], biases = new byte[scales.Length];
        float scale = deviation * MathF.Sqrt(3) / (center - 1);
        for (int g = 0; g < count / GroupSize; g++)
        {
            // Scales differ from group to group, as real ones do; a power of two times an F16 is an F16.
            Half own = (Half)(scale * (0.75f + (_random.Next() >> 40) / (float)(1 << 25)));
            BinaryPrimitives.WriteHalfLittleEndian(scales.AsSpan(2 * g), own);
            BinaryPrimitives.WriteHalfLittleEndian(biases.AsSpan(2 * g), (Half)(-center * (float)own));
        }
        string module = name[..^".weight".Length];
        writer.Append(name, packed);
        writer.Append(module + ".scales", scales);
        writer.Append(module + ".biases", biases);
    }

    // The lowest integer has no counterpart above the centre: it becomes the centre, so that the mean is 0.
    private static void Centered(Span<byte> packed, int bits)
    {
        for (int i = 0; i < packed.Length; i++)
        {
            byte b = packed[i];
            if (bits == 8)
            {
                if (b == 0) packed[i] = 128;
                continue;
            }
            if ((b & 15) == 0) b |= 8;
            if (b >> 4 == 0) b |= 0x80;
            packed[i] = b;
        }
    }
}
