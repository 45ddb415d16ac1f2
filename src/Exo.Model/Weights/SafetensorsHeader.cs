using System.Text.Json;

namespace Exo.Model.Weights;

/// <summary>
/// The JSON header: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"key": "value"}},
/// offsets in bytes from the header's end. Read strictly: what the format does not name is refused.
/// </summary>
internal sealed class SafetensorsHeader
{
    internal readonly record struct Entry(string Name, SafetensorsDtype Dtype, long[] Shape, long Begin, long End);

    // Three levels are the format's; a bound on dimensions keeps a hostile header from making one tensor's shape its whole size.
    private const int MaxDepth = 4;
    private const int MaxDimensions = 16;

    private readonly string _path;
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);

    private SafetensorsHeader(string path) => _path = path;

    /// <summary>In file order once <see cref="CheckLayout"/> has run.</summary>
    internal List<Entry> Entries { get; } = [];

    internal Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    internal static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty || json[0] != (byte)'{')
            throw new SafetensorsException(path, "expected a header that begins with '{'");
        var header = new SafetensorsHeader(path);
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName) header.ReadProperty(ref reader);
            while (reader.Read()) { } // only white space may follow: anything else throws
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // invalid JSON, or invalid UTF-8 inside a string
        {
            throw new SafetensorsException(path, $"the header is not valid JSON: {e.Message}", cause: e);
        }
        return header;
    }

    /// <summary>Sorts by offset and checks that the tensors fill the data exactly, without overlap or hole.</summary>
    internal void CheckLayout(string path, long dataBytes)
    {
        // Empty tensors share their offset with the next one, so they sort before it.
        Entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        long position = 0;
        foreach (Entry entry in Entries)
        {
            if (entry.Begin != position)
            {
                string kind = entry.Begin < position ? "overlap" : "hole";
                throw new SafetensorsException(path, $"expected data at offset {position}, got {entry.Begin} ({kind})", entry.Name);
            }
            if (entry.End > dataBytes)
                throw new SafetensorsException(path, $"ends at offset {entry.End}, but the data has {dataBytes} bytes: truncated?", entry.Name);
            position = entry.End;
        }
        if (position != dataBytes)
            throw new SafetensorsException(path, $"expected {position} bytes of data, got {dataBytes}");
    }

    private void ReadProperty(ref Utf8JsonReader reader)
    {
        string name = reader.GetString()!;
        if (!_names.Add(name)) throw new SafetensorsException(_path, "the name occurs twice in the header", name);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new SafetensorsException(_path, $"expected an object, got {reader.TokenType}", name);
        if (name == "__metadata__") ReadMetadata(ref reader);
        else Entries.Add(ReadEntry(ref reader, name));
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw new SafetensorsException(_path, $"__metadata__.{key}: expected a string, got {reader.TokenType}");
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw new SafetensorsException(_path, $"__metadata__.{key}: occurs twice");
        }
    }

    private Entry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        SafetensorsDtype? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when dtype is null: dtype = ReadDtype(ref reader, name); break;
                case "shape" when shape is null: shape = ReadSizes(ref reader, name, key); break;
                case "data_offsets" when offsets is null: offsets = ReadSizes(ref reader, name, key); break;
                default: throw new SafetensorsException(_path, $"the key '{key}' is unknown or occurs twice", name);
            }
        }
        if (dtype is null || shape is null || offsets is null)
            throw new SafetensorsException(_path, "expected dtype, shape and data_offsets", name);
        if (offsets.Length != 2 || offsets[0] > offsets[1])
            throw new SafetensorsException(_path, $"expected data_offsets [begin, end], got [{string.Join(", ", offsets)}]", name);
        CheckBytes(name, dtype.Value, shape, offsets[1] - offsets[0]);
        return new Entry(name, dtype.Value, shape, offsets[0], offsets[1]);
    }

    private SafetensorsDtype ReadDtype(ref Utf8JsonReader reader, string name)
    {
        string text = reader.TokenType == JsonTokenType.String ? reader.GetString()! : reader.TokenType.ToString();
        return SafetensorsDtypes.TryParse(text, out SafetensorsDtype dtype)
            ? dtype
            : throw new SafetensorsException(_path, $"expected a known dtype, got {text}", name);
    }

    private long[] ReadSizes(ref Utf8JsonReader reader, string name, string key)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new SafetensorsException(_path, $"{key}: expected an array, got {reader.TokenType}", name);
        var sizes = new List<long>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long size) || size < 0)
                throw new SafetensorsException(_path, $"{key}: expected whole numbers from 0 to 2^63 - 1", name);
            if (sizes.Count == MaxDimensions)
                throw new SafetensorsException(_path, $"{key}: expected at most {MaxDimensions} numbers", name);
            sizes.Add(size);
        }
        return [.. sizes];
    }

    private void CheckBytes(string name, SafetensorsDtype dtype, long[] shape, long byteLength)
    {
        if (!TensorSpec.TryByteLength(dtype, shape, out long expected))
            throw new SafetensorsException(_path, $"shape [{string.Join(", ", shape)}]: more elements than 2^63 bytes hold", name);
        if (expected != byteLength)
        {
            throw new SafetensorsException(
                _path, $"{dtype} [{string.Join(", ", shape)}] takes {expected} bytes, but data_offsets span {byteLength}", name);
        }
    }
}
