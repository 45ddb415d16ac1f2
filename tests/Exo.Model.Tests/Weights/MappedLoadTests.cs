using System.Globalization;
using System.Text;
using Exo.Kernels;
using Exo.Model.Weights;
using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Model.Tests.Weights;

/// <summary>A weight packed from a mapped file equals one packed from memory, wherever it lies, and leaves no page of the file behind.</summary>
public sealed class MappedLoadTests : IDisposable
{
    private const int NumThreads = 2;
    private readonly string _folder = Directory.CreateTempSubdirectory("exo-mapped-").FullName;
    private readonly CpuDevice _device = new(NumThreads, IsaSupport.Best);

    public void Dispose()
    {
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(WeightFormat.F32, 37, 100)]
    [InlineData(WeightFormat.F16, 1, 7)]
    [InlineData(WeightFormat.BF16, 37, 100)]
    [InlineData(WeightFormat.BF16, 1029, 2048)]
    [InlineData(WeightFormat.Affine4, 50, 96)]
    [InlineData(WeightFormat.Affine8, 1029, 2048)]
    public void Weight_at_an_odd_byte_of_a_mapped_file_equals_the_one_in_memory(WeightFormat format, int numRows, int numColumns)
    {
        using var host = new HostWeight(new Random(3), new WeightSpec(format, numRows, numColumns));
        using SafetensorsFile file = Write(host.Source);
        WeightSource mapped = Mapped(file, host.Source);
        float[] x = RandomValues.Uniform(new Random(4), numColumns);
        Assert.Equal(1, mapped.Address & 1);
        Assert.Equal(Product(host.Source, x), Product(mapped, x));
        int first = numRows / 3, end = Math.Max(first + 1, numRows * 2 / 3), start = numColumns >= 64 ? 32 : 1;
        float[] part = x[start..^1];
        Assert.Equal(Product(host.Source.Rows(first, end).Columns(start, numColumns - 1), part), Product(mapped.Rows(first, end).Columns(start, numColumns - 1), part));
        Assert.Equal(Product(host.Source, x), Product(mapped, x)); // dropped pages come back
    }

    [Theory]
    [InlineData(WeightFormat.BF16)]
    [InlineData(WeightFormat.Affine8)]
    public void No_page_of_a_mapped_file_stays_resident_on_Linux(WeightFormat format)
    {
        if (!OperatingSystem.IsLinux()) return;
        using var host = new HostWeight(new Random(5), new WeightSpec(format, 3000, 2048));
        using SafetensorsFile file = Write(host.Source);
        WeightSource mapped = Mapped(file, host.Source);
        foreach (TensorView tensor in file.Tensors) Touch(tensor);
        Assert.InRange(ResidentBytes(file.Path), file.Tensors.Sum(tensor => tensor.ByteLength), long.MaxValue);
        _device.Load([mapped], ActivationFormat.Int8).Dispose();
        Assert.InRange(ResidentBytes(file.Path), 0, 1 << 20);
    }

    private float[] Product(WeightSource source, float[] x)
    {
        _device.Arena.Reset();
        using Weight weight = _device.Load([source], ActivationFormat.Int8);
        return _device.Read(_device.MatMul(_device.Write(x, 1, x.Length), weight)).ToArray();
    }

    private static void Touch(TensorView tensor)
    {
        int sum = 0;
        for (long at = 0; at < tensor.ByteLength; at += 4096) sum += tensor.Bytes(at, 1)[0];
        Assert.NotEqual(int.MinValue, sum);
    }

    private static WeightSource Mapped(SafetensorsFile file, WeightSource host) => host with
    {
        Memory = SourceMemory.MappedFile,
        Address = file.Get("weight").Address,
        Scales = host.Format.IsAffine() ? file.Get("scales").Address : 0,
        Biases = host.Format.IsAffine() ? file.Get("biases").Address : 0,
    };

    // Bytes are stored as U8, so that nothing aligns them; a header of an even length and one byte before all make every address odd.
    private unsafe SafetensorsFile Write(WeightSource source)
    {
        nint elements = source.NumRows * source.RowBytes;
        nint groups = source.Format.IsAffine() ? (nint)source.NumRows * (source.RowLength / source.GroupSize) * source.ScaleType.Bytes() : 0;
        (string Name, nint Address, nint Bytes)[] all = [("byte", source.Address, 1), ("weight", source.Address, elements), ("scales", source.Scales, groups), ("biases", source.Biases, groups)];
        var header = new StringBuilder();
        nint offset = 0;
        foreach ((string name, _, nint bytes) in all.Where(tensor => tensor.Bytes > 0))
        {
            header.Append(CultureInfo.InvariantCulture, $"{(offset == 0 ? '{' : ',')}\"{name}\":{{\"dtype\":\"U8\",\"shape\":[{bytes}],\"data_offsets\":[{offset},{offset + bytes}]}}");
            offset += bytes;
        }
        header.Append('}').Append(' ', header.Length % 2);
        string path = Path.Combine(_folder, "odd.safetensors");
        using (FileStream stream = File.Create(path))
        {
            stream.Write(BitConverter.GetBytes((long)header.Length));
            stream.Write(Encoding.ASCII.GetBytes(header.ToString()));
            foreach ((_, nint address, nint bytes) in all) stream.Write(new ReadOnlySpan<byte>((void*)address, (int)bytes));
        }
        return SafetensorsFile.Open(path);
    }

    private static long ResidentBytes(string path)
    {
        long total = 0;
        bool isFile = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!words[0].EndsWith(':')) isFile = words[^1] == path;
            else if (isFile && words[0] == "Rss:") total += 1024 * long.Parse(words[1], CultureInfo.InvariantCulture);
        }
        return total;
    }
}
