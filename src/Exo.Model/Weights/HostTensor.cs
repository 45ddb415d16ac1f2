using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Exo.Model.Weights;

/// <summary>Tensors as managed arrays, for what is small or exact by need: norms, biases, tests, tools.</summary>
public static class HostTensor
{
    /// <summary>All elements as float32, exactly.</summary>
    /// <exception cref="SafetensorsException">The type is not F32, F16 or BF16, or there are too many elements for an array.</exception>
    public static float[] ReadFloats(TensorView tensor)
    {
        float[] values = new float[CheckedCount(tensor)];
        ReadFloats(tensor, 0, values);
        return values;
    }

    /// <summary>Elements [start, start + destination.Length) as float32, exactly.</summary>
    public static void ReadFloats(TensorView tensor, long start, Span<float> destination)
    {
        int size = tensor.Dtype.ByteSize();
        const int Chunk = 1 << 20; // a span of bytes holds fewer elements than a span of floats
        for (int done = 0; done < destination.Length; done += Chunk)
        {
            Span<float> part = destination.Slice(done, Math.Min(Chunk, destination.Length - done));
            ReadOnlySpan<byte> bytes = tensor.Bytes(checked((start + done) * size), part.Length * size);
            if (!TryDecode(tensor.Dtype, bytes, part))
                throw new SafetensorsException(tensor.FileName, $"expected F32, F16 or BF16, got {tensor.Dtype}", tensor.Name);
        }
    }

    /// <summary>All elements as int64.</summary>
    /// <exception cref="SafetensorsException">The type is no integer type, or a value is above 2^63 - 1.</exception>
    public static long[] ReadInts(TensorView tensor)
    {
        long[] values = new long[CheckedCount(tensor)];
        int size = tensor.Dtype.ByteSize();
        for (int i = 0; i < values.Length; i++) values[i] = ReadInt(tensor, tensor.Bytes((long)i * size, size));
        return values;
    }

    /// <summary>Decodes F32, F16 or BF16 exactly; false for another type.</summary>
    public static bool TryDecode(SafetensorsDtype dtype, ReadOnlySpan<byte> bytes, Span<float> destination)
    {
        switch (dtype)
        {
            case SafetensorsDtype.F32:
                bytes.CopyTo(MemoryMarshal.AsBytes(destination));
                return true;
            case SafetensorsDtype.F16:
                for (int i = 0; i < destination.Length; i++)
                    destination[i] = (float)BitConverter.UInt16BitsToHalf(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]));
                return true;
            case SafetensorsDtype.BF16:
                for (int i = 0; i < destination.Length; i++)
                    destination[i] = BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) << 16);
                return true;
            default:
                return false;
        }
    }

    private static int CheckedCount(TensorView tensor) => tensor.NumElements <= Array.MaxLength
        ? (int)tensor.NumElements
        : throw new SafetensorsException(
            tensor.FileName, $"expected at most {Array.MaxLength} elements for an array, got {tensor.NumElements}", tensor.Name);

    private static long ReadInt(TensorView tensor, ReadOnlySpan<byte> bytes)
    {
        switch (tensor.Dtype)
        {
            case SafetensorsDtype.I64: return BinaryPrimitives.ReadInt64LittleEndian(bytes);
            case SafetensorsDtype.I32: return BinaryPrimitives.ReadInt32LittleEndian(bytes);
            case SafetensorsDtype.I16: return BinaryPrimitives.ReadInt16LittleEndian(bytes);
            case SafetensorsDtype.I8: return (sbyte)bytes[0];
            case SafetensorsDtype.U32: return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            case SafetensorsDtype.U16: return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            case SafetensorsDtype.U8 or SafetensorsDtype.BOOL: return bytes[0];
            case SafetensorsDtype.U64:
                ulong value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
                if (value <= long.MaxValue) return (long)value;
                throw new SafetensorsException(tensor.FileName, $"expected at most 2^63 - 1, got {value}", tensor.Name);
            default:
                throw new SafetensorsException(tensor.FileName, $"expected an integer type, got {tensor.Dtype}", tensor.Name);
        }
    }
}
