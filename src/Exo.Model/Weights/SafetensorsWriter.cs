using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Exo.Model.Weights;

/// <summary>
/// Writes one safetensors file as a stream: all tensors are announced first, then their bytes come in pieces, the tensors in any
/// order. Inside the file they lie by element size, largest first, so that each is aligned to its elements. A file that is not
/// finished is deleted.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    private sealed class Slot(long start, long length)
    {
        public long Start => start;
        public long Length => length;
        public long Written { get; set; }
    }

    private readonly string _path;
    private readonly FileStream _stream;
    private readonly Dictionary<string, Slot> _slots = new(StringComparer.Ordinal);
    private bool _finished;

    public SafetensorsWriter(string path, IReadOnlyList<TensorSpec> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _path = path;
        TensorSpec[] ordered = [.. tensors.OrderByDescending(t => t.Dtype.ByteSize())]; // stable: the caller's order inside a size
        byte[] header = Header(ordered, metadata);
        long position = 8 + header.Length;
        foreach (TensorSpec tensor in ordered)
        {
            if (!_slots.TryAdd(tensor.Name, new Slot(position, tensor.ByteLength)))
                throw new ArgumentException($"{tensor.Name}: named twice", nameof(tensors));
            position += tensor.ByteLength;
        }
        _stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20);
        _stream.SetLength(position);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        _stream.Write(length);
        _stream.Write(header);
    }

    /// <summary>Appends bytes to one tensor.</summary>
    /// <exception cref="InvalidOperationException">More bytes than its shape takes.</exception>
    public void Append(string name, ReadOnlySpan<byte> bytes)
    {
        Slot slot = _slots[name];
        if (bytes.Length > slot.Length - slot.Written)
            throw new InvalidOperationException($"{_path}: {name}: expected {slot.Length} bytes, got more");
        long position = slot.Start + slot.Written;
        if (_stream.Position != position) _stream.Position = position;
        _stream.Write(bytes);
        slot.Written += bytes.Length;
    }

    /// <summary>Checks that every tensor is whole, and keeps the file.</summary>
    public void Finish()
    {
        foreach ((string name, Slot slot) in _slots)
        {
            if (slot.Written != slot.Length)
                throw new InvalidOperationException($"{_path}: {name}: expected {slot.Length} bytes, got {slot.Written}");
        }
        _stream.Flush();
        _finished = true;
    }

    public void Dispose()
    {
        _stream.Dispose();
        if (!_finished) File.Delete(_path);
    }

    private static byte[] Header(IReadOnlyList<TensorSpec> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 }) WriteMetadata(json, metadata);
            long offset = 0;
            foreach (TensorSpec tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Dtype.ToString());
                WriteNumbers(json, "shape", tensor.Shape);
                WriteNumbers(json, "data_offsets", [offset, offset += tensor.ByteLength]);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        int padding = -buffer.WrittenCount & 7; // data begins at a multiple of 8: the header is padded with spaces
        buffer.GetSpan(8)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject("__metadata__");
        foreach ((string key, string value) in metadata) json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string key, IReadOnlyList<long> numbers)
    {
        json.WriteStartArray(key);
        foreach (long number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
