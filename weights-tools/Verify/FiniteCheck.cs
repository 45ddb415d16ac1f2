using Exo.Model.Weights;

namespace Exo.WeightsTools.Verify;

/// <summary>Looks for values that are no numbers, or infinite.</summary>
internal static class FiniteCheck
{
    private const int ChunkElements = 1 << 18;

    /// <summary>How many elements of a float tensor are not finite; 0 for integer tensors.</summary>
    public static long CountNonFinite(TensorView tensor)
    {
        long count = 0;
        int size = tensor.Dtype.ByteSize();
        float[] floats = new float[ChunkElements];
        for (long start = 0; start < tensor.NumElements; start += ChunkElements)
        {
            int length = (int)Math.Min(ChunkElements, tensor.NumElements - start);
            ReadOnlySpan<byte> bytes = tensor.Bytes(start * size, length * size);
            Span<float> values = floats.AsSpan(0, length);
            if (HostTensor.TryDecode(tensor.Dtype, bytes, values)) count += Count(values);
            else count += CountBytes(tensor.Dtype, bytes);
        }
        return count;
    }

    private static long Count(ReadOnlySpan<float> values)
    {
        long count = 0;
        foreach (float value in values) count += float.IsFinite(value) ? 0 : 1;
        return count;
    }

    // E4M3 has no infinity and one NaN a sign; E5M2 is laid out like F16; E8M0 has one NaN.
    private static long CountBytes(SafetensorsDtype dtype, ReadOnlySpan<byte> bytes)
    {
        long count = 0;
        switch (dtype)
        {
            case SafetensorsDtype.F8_E4M3:
                foreach (byte b in bytes) count += (b & 0x7f) == 0x7f ? 1 : 0;
                break;
            case SafetensorsDtype.F8_E5M2:
                foreach (byte b in bytes) count += (b & 0x7c) == 0x7c ? 1 : 0;
                break;
            case SafetensorsDtype.F8_E8M0:
                foreach (byte b in bytes) count += b == 0xff ? 1 : 0;
                break;
            case SafetensorsDtype.F64:
                for (int i = 0; i < bytes.Length; i += 8) count += double.IsFinite(BitConverter.ToDouble(bytes[i..])) ? 0 : 1;
                break;
        }
        return count;
    }
}
