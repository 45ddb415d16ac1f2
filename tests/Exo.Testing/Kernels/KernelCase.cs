using System.Runtime.InteropServices;
using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>
/// One use of a device: everything random in it follows from its seed, so every device is given the same. Printing a case is enough to
/// repeat it.
/// </summary>
public abstract record KernelCase
{
    /// <summary>Seed of all random numbers.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Runs the case and reads its results.</summary>
    public float[] Run(Device device)
    {
        device.Arena.Reset();
        return Run(device, new Random(Seed));
    }

    /// <summary>Runs the case on the reference and on each subject; throws where a single bit differs.</summary>
    public void RequireEqual(IEnumerable<Device> subjects)
    {
        using var reference = new ReferenceDevice();
        float[] expected = Run(reference);
        if (Array.Exists(expected, value => !float.IsFinite(value))) throw new KernelMismatchException($"{this}: the reference gives no finite numbers");
        foreach (Device subject in subjects) RequireEqual(expected, Run(subject), subject);
    }

    /// <summary>Runs the case on a device whose arena was just reset.</summary>
    protected abstract float[] Run(Device device, Random random);

    /// <summary>A random matrix [rows, columns], a view into a wider one: its rows do not follow each other.</summary>
    protected static Tensor WriteStrided(Device device, Random random, int numRows, int numColumns)
    {
        int before = random.Next(2) * 16, after = random.Next(3);
        int stride = before + numColumns + after;
        return device.Write(RandomValues.Uniform(random, numRows * stride), numRows, stride).Columns(before, before + numColumns);
    }

    /// <summary>A tensor's values, its rows one after the other, strided or not.</summary>
    protected static float[] Values(Device device, Tensor x)
    {
        if (x.IsContiguous) return device.Read(x).ToArray();
        float[] values = new float[x.NumRows * x.NumColumns];
        for (int row = 0; row < x.NumRows; row++) device.Read(x.Rows(row, row + 1)).CopyTo(values.AsSpan(row * x.NumColumns));
        return values;
    }

    /// <summary>The values of partial sums, absent nodes as zeros, then the presence of each as 0 or 1.</summary>
    protected static float[] Values(Device device, PartialSums sums)
    {
        float[] values = Values(device, sums.Values);
        if (sums.Present == 0) return values;
        int numVectors = sums.Values.NumRows, numColumns = sums.Values.NumColumns;
        var memory = new Tensor(sums.Present, 1, (numVectors + 3) / 4, (numVectors + 3) / 4);
        byte[] present = MemoryMarshal.AsBytes(device.Read(memory))[..numVectors].ToArray();
        for (int i = 0; i < numVectors; i++)
            if (present[i] == 0) values.AsSpan(i * numColumns, numColumns).Clear();
        return [.. values, .. present.Select(value => (float)value)];
    }

    private void RequireEqual(float[] expected, float[] actual, Device subject)
    {
        if (expected.Length != actual.Length)
            throw new KernelMismatchException($"{subject.Name}, {this}: expected {expected.Length} values, got {actual.Length}");
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i])) continue;
            int wrong = expected.Where((value, j) => BitConverter.SingleToInt32Bits(value) != BitConverter.SingleToInt32Bits(actual[j])).Count();
            throw new KernelMismatchException(
                $"{subject.Name}, {this}: value {i} of {expected.Length}: expected {expected[i]:R}, got {actual[i]:R}; {wrong} differ");
        }
    }
}

/// <summary>A device whose bits are not the reference's.</summary>
public sealed class KernelMismatchException(string message) : Exception(message);
