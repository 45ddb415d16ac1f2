using Exo.Kernels;
using Exo.Kernels.Numerics;
using Exo.Model.Weights;

namespace Exo.Testing;

/// <summary>Writes random tensors in one of the stored formats; vectors stay float32.</summary>
internal static class TinyWeights
{
    private const int GroupSize = 32;

    public static void Write(string path, Dictionary<string, int[]> tensors, HashSet<string> vectors, WeightFormat format, Random random)
    {
        var specs = new List<TensorSpec>();
        var contents = new List<byte[]>();
        foreach ((string name, int[] shape) in tensors)
        {
            if (vectors.Contains(name)) Add(name, SafetensorsDtype.F32, [shape[0]], Floats(shape[0], random, 0.5f, 1f));
            else if (format.IsAffine() && shape[1] % GroupSize == 0) AddAffine(name, shape[0], shape[1]);
            else Add(name + ".weight", Dtype(format), [shape[0], shape[1]], Encode(format, Floats(shape[0] * shape[1], random, 0.8f / MathF.Sqrt(shape[1]), 0)));
        }
        using var writer = new SafetensorsWriter(path, specs);
        for (int i = 0; i < specs.Count; i++) writer.Append(specs[i].Name, contents[i]);
        writer.Finish();

        void Add(string name, SafetensorsDtype dtype, long[] shape, Array values)
        {
            specs.Add(new TensorSpec(name, dtype, shape));
            var bytes = new byte[Buffer.ByteLength(values)];
            Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
            contents.Add(bytes);
        }

        void AddAffine(string name, int rows, int columns)
        {
            var packed = new byte[rows * columns * format.Bits() / 8];
            random.NextBytes(packed);
            int groups = rows * columns / GroupSize, steps = 1 << format.Bits();
            float[] scales = [.. Floats(groups, random, 0.8f / MathF.Sqrt(columns) / steps, 3f / MathF.Sqrt(columns) / steps)];
            float[] biases = [.. scales.Select(scale => -scale * steps / 2 * (1 + (0.1f * random.NextSingle())))];
            Add(name + ".weight", SafetensorsDtype.U32, [rows, columns * format.Bits() / 32], packed);
            Add(name + ".scales", SafetensorsDtype.BF16, [rows, columns / GroupSize], Encode(WeightFormat.BF16, scales));
            Add(name + ".biases", SafetensorsDtype.BF16, [rows, columns / GroupSize], Encode(WeightFormat.BF16, biases));
        }
    }

    private static SafetensorsDtype Dtype(WeightFormat format) => format switch
    {
        WeightFormat.F32 => SafetensorsDtype.F32,
        WeightFormat.F16 => SafetensorsDtype.F16,
        _ => SafetensorsDtype.BF16,
    };

    private static float[] Floats(int count, Random random, float spread, float middle) =>
        [.. Enumerable.Range(0, count).Select(_ => middle + (spread * 2 * (random.NextSingle() + random.NextSingle() - 1)))];

    private static Array Encode(WeightFormat format, float[] values) => format switch
    {
        WeightFormat.F32 => values,
        WeightFormat.F16 => values.Select(Fp.SingleToHalf).ToArray(),
        _ => values.Select(Fp.SingleToBFloat16).ToArray(),
    };
}
