using System.Buffers.Binary;
using System.Text;
using Exo.Model.Weights;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void What_the_writer_wrote_the_reader_reads()
    {
        string path = _scratch.PathOf("a.safetensors");
        TensorSpec[] specs =
        [
            new("bytes", SafetensorsDtype.U8, [3]), new("floats", SafetensorsDtype.F32, [2, 2]), new("scalar", SafetensorsDtype.I64, []),
            new("empty", SafetensorsDtype.F16, [0, 7]),
        ];
        using (var writer = new SafetensorsWriter(path, specs, new Dictionary<string, string> { ["format"] = "pt" }))
        {
            writer.Append("bytes", [1, 2]);
            writer.Append("floats", Floats(1, -2, 0.5f, float.MaxValue));
            writer.Append("bytes", [3]);
            writer.Append("scalar", BitConverter.GetBytes(-5L));
            writer.Finish();
        }
        using var file = SafetensorsFile.Open(path);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal([1, -2, 0.5f, float.MaxValue], HostTensor.ReadFloats(file.Get("floats").Expect(2, 2)));
        Assert.Equal([-5], HostTensor.ReadInts(file.Get("scalar")));
        Assert.Equal([1, 2, 3], HostTensor.ReadInts(file.Get("bytes")));
        Assert.Equal(0, file.Get("empty").NumElements);
        Assert.All(file.Tensors, t => Assert.Equal(0, t.Address % t.Dtype.ByteSize()));
    }

    [Fact]
    public void A_file_that_is_not_finished_is_deleted()
    {
        string path = _scratch.PathOf("a.safetensors");
        using (var writer = new SafetensorsWriter(path, [new("a", SafetensorsDtype.U8, [2])]))
        {
            writer.Append("a", [1]);
            Assert.Throws<InvalidOperationException>(writer.Finish);
            Assert.Throws<InvalidOperationException>(() => writer.Append("a", [1, 2]));
        }
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 3, "truncated")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 5, "expected 4 bytes of data, got 5")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}}""", 5, "hole")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5, "overlap")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}""", 5, "twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,4]}}""", 4, "takes 3 bytes")]
    [InlineData("""{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0, "2^63")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "2^63")]
    [InlineData("""{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}""", 4, "whole numbers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}}""", 4, "whole numbers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}""", 4, "data_offsets [begin, end]")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,2,4]}}""", 4, "data_offsets [begin, end]")]
    [InlineData("""{"a":{"dtype":"U7","shape":[4],"data_offsets":[0,4]}}""", 4, "known dtype, got U7")]
    [InlineData("""{"a":{"dtype":"3","shape":[4],"data_offsets":[0,4]}}""", 4, "known dtype, got 3")]
    [InlineData("""{"a":{"dtype":"U8","data_offsets":[0,4]}}""", 4, "expected dtype, shape and data_offsets")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}}""", 4, "occurs twice")]
    [InlineData("""{"a":[[[[[[[[[[0]]]]]]]]]]}""", 0, "expected an object")]
    [InlineData("""{"a":{"dtype":"U8","shape":[[[[[[1]]]]]],"data_offsets":[0,4]}}""", 4, "whole numbers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}""", 1, "at most 16")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "__metadata__.a")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "twice")]
    [InlineData("""{"a":{}""", 0, "expected dtype")]
    [InlineData("""{} x""", 0, "not valid JSON")]
    [InlineData(""" {}""", 0, "begins with '{'")]
    [InlineData("", 0, "begins with '{'")]
    public void A_wrong_header_is_refused_by_name(string header, int dataBytes, string expected)
    {
        string path = _scratch.Write("bad.safetensors", FileOf(Encoding.UTF8.GetBytes(header), dataBytes));
        var e = Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(path));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0UL, "begins with")]
    [InlineData(200UL, "truncated")]
    [InlineData(100_000_001UL, "at most 100000000")]
    [InlineData(ulong.MaxValue, "at most 100000000")]
    public void A_wrong_header_length_is_refused(ulong length, string expected)
    {
        byte[] bytes = FileOf("{}"u8, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        string path = _scratch.Write("bad.safetensors", bytes);
        Assert.Contains(expected, Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_too_short_or_missing_is_refused()
    {
        Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(_scratch.Write("short.safetensors", [1, 2, 3])));
        Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(_scratch.Write("empty.safetensors", [])));
        Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(_scratch.PathOf("missing.safetensors")));
        Assert.Throws<SafetensorsException>(() => SafetensorsFile.Open(_scratch.Root));
    }

    [Fact]
    public void A_closed_file_hands_out_no_address()
    {
        var file = SafetensorsFile.Open(_scratch.Write("a.safetensors", FileOf(ValidHeader, 24)));
        TensorView tensor = file.Get("a");
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.Address);
    }

    // Any damage gives a model whose every byte can be read, or the one typed error: never another exception, never a crash.
    [Property(MaxTest = 2000)]
    public void A_damaged_file_is_read_whole_or_refused(int seed, byte numChanges, bool cut)
    {
        byte[] bytes = FileOf(ValidHeader, 24);
        var random = new Random(seed);
        for (int i = 0; i <= numChanges % 4; i++)
        {
            int at = random.Next(random.Next(3) == 0 ? 8 : bytes.Length);
            bytes[at] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"0123456789[]{},:\"-eU"[random.Next(20)];
        }
        int length = cut ? random.Next(bytes.Length) : bytes.Length;
        string path = _scratch.Write($"damaged-{seed}.safetensors", bytes.AsSpan(0, length));
        try
        {
            using var file = SafetensorsFile.Open(path);
            foreach (TensorView tensor in file.Tensors)
                Assert.Equal(tensor.ByteLength, tensor.Bytes(0, (int)tensor.ByteLength).ToArray().LongLength);
            Assert.Equal(bytes.Length, file.FileBytes);
        }
        catch (SafetensorsException e)
        {
            Assert.Equal(path, e.FilePath);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static ReadOnlySpan<byte> ValidHeader =>
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U16","shape":[4],"data_offsets":[16,24]}}"""u8;

    internal static byte[] FileOf(ReadOnlySpan<byte> header, int dataBytes)
    {
        byte[] bytes = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        header.CopyTo(bytes.AsSpan(8));
        return bytes;
    }

    internal static byte[] Floats(params float[] values)
    {
        byte[] bytes = new byte[4 * values.Length];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        return bytes;
    }
}
