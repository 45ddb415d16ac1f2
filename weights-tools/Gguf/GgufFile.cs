using Microsoft.Win32.SafeHandles;

namespace Exo.WeightsTools.Gguf;

/// <summary>
/// A GGUF file, version 2 or 3, little-endian: metadata, tensor entries, data. The header is read and checked whole; tensor bytes
/// are read when asked for. Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
/// </summary>
public sealed class GgufFile : IDisposable
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const int MaxTensors = 1 << 20;
    private const int MaxKeys = 1 << 16;
    private const int MaxDimensions = 4;
    private const int DefaultAlignment = 32;

    private readonly SafeFileHandle _handle;
    private readonly Dictionary<string, GgufTensor> _byName = new(StringComparer.Ordinal);

    private GgufFile(string path, SafeFileHandle handle, GgufMetadata metadata, List<GgufTensor> tensors)
    {
        Path = path;
        _handle = handle;
        Metadata = metadata;
        Tensors = tensors;
        foreach (GgufTensor tensor in tensors)
        {
            if (!_byName.TryAdd(tensor.Name, tensor)) throw new GgufException(path, $"{tensor.Name}: occurs twice");
        }
    }

    public string Path { get; }

    public GgufMetadata Metadata { get; }

    public IReadOnlyList<GgufTensor> Tensors { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="GgufException">It is not a GGUF file that this reader knows, or a damaged one.</exception>
    public static GgufFile Open(string path)
    {
        SafeFileHandle handle = File.OpenHandle(path);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
            var cursor = new GgufCursor(path, stream);
            (int numTensors, int numKeys) = ReadPreamble(path, cursor);
            GgufMetadata metadata = GgufMetadata.Read(path, cursor, numKeys);
            List<GgufTensor> tensors = ReadTensors(path, cursor, numTensors);
            int alignment = metadata.GetInt("general.alignment", 1, 1 << 20, missing: DefaultAlignment);
            long dataStart = (cursor.Position + alignment - 1) / alignment * alignment;
            return new GgufFile(path, handle, metadata, Place(path, tensors, dataStart, alignment, stream.Length));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public bool TryGet(string name, out GgufTensor tensor) => _byName.TryGetValue(name, out tensor!);

    /// <summary>Reads rows [row, row + n) into a buffer of n x RowBytes.</summary>
    public void ReadRows(GgufTensor tensor, long row, Span<byte> destination)
    {
        long offset = tensor.FileOffset + row * tensor.RowBytes;
        while (destination.Length > 0)
        {
            int count = RandomAccess.Read(_handle, destination, offset);
            if (count == 0) throw new GgufException(Path, $"{tensor.Name}: the file ended at offset {offset}: changed while it was read?");
            destination = destination[count..];
            offset += count;
        }
    }

    public void Dispose() => _handle.Dispose();

    private static (int NumTensors, int NumKeys) ReadPreamble(string path, GgufCursor cursor)
    {
        uint magic = cursor.ReadUInt32();
        if (magic != Magic) throw new GgufException(path, $"expected the magic 'GGUF', got 0x{magic:x8}");
        uint version = cursor.ReadUInt32();
        if (version is not (2 or 3))
        {
            string hint = (version & 0xffff) == 0 ? " (a big-endian file?)" : "";
            throw new GgufException(path, $"expected version 2 or 3, got {version}{hint}");
        }
        int numTensors = cursor.ReadCount("number of tensors", minBytes: 32, MaxTensors);
        int numKeys = cursor.ReadCount("number of metadata keys", minBytes: 13, MaxKeys);
        return (numTensors, numKeys);
    }

    // Offsets are still relative to the data here.
    private static List<GgufTensor> ReadTensors(string path, GgufCursor cursor, int count)
    {
        var tensors = new List<GgufTensor>(count);
        for (int i = 0; i < count; i++)
        {
            string name = cursor.ReadString("tensor name");
            uint numDimensions = cursor.ReadUInt32();
            if (numDimensions is 0 or > MaxDimensions)
                throw new GgufException(path, $"{name}: expected 1 to {MaxDimensions} dimensions, got {numDimensions}");
            long[] sizes = new long[numDimensions];
            for (int d = 0; d < sizes.Length; d++) sizes[d] = SizeOf(path, name, cursor.ReadUInt64());
            uint type = cursor.ReadUInt32();
            if (type > int.MaxValue || !((GgmlType)type).IsKnown())
                throw new GgufException(path, $"{name}: tensor type {type} is not supported");
            ulong offset = cursor.ReadUInt64();
            if (offset > long.MaxValue) throw new GgufException(path, $"{name}: offset {offset} is beyond any file");
            tensors.Add(new GgufTensor(name, (GgmlType)type, sizes, (long)offset, ByteLength(path, name, (GgmlType)type, sizes)));
        }
        return tensors;
    }

    private static long SizeOf(string path, string name, ulong size) => size is > 0 and <= long.MaxValue
        ? (long)size
        : throw new GgufException(path, $"{name}: expected a dimension from 1 to 2^63 - 1, got {size}");

    private static long ByteLength(string path, string name, GgmlType type, long[] sizes)
    {
        GgmlBlock block = type.Block();
        if (sizes[0] % block.Elements != 0)
            throw new GgufException(path, $"{name}: {type} takes rows of whole blocks of {block.Elements}, got {sizes[0]} columns");
        UInt128 bytes = (UInt128)(ulong)(sizes[0] / block.Elements) * (ulong)block.Bytes;
        if (bytes > int.MaxValue) throw new GgufException(path, $"{name}: rows of {bytes} bytes are longer than {int.MaxValue}");
        foreach (long size in sizes.AsSpan(1))
        {
            bytes *= (ulong)size; // below 2^126, for bytes stays below 2^63
            if (bytes > long.MaxValue) throw new GgufException(path, $"{name}: [{string.Join(", ", sizes)}] is more than 2^63 bytes");
        }
        return (long)bytes;
    }

    private static List<GgufTensor> Place(string path, List<GgufTensor> tensors, long dataStart, int alignment, long fileBytes)
    {
        var placed = new List<GgufTensor>(tensors.Count);
        long end = 0;
        foreach (GgufTensor tensor in tensors.OrderBy(t => t.FileOffset))
        {
            if (tensor.FileOffset % alignment != 0)
                throw new GgufException(path, $"{tensor.Name}: expected an offset that is a multiple of {alignment}, got {tensor.FileOffset}");
            if (tensor.FileOffset < end) throw new GgufException(path, $"{tensor.Name}: overlaps the tensor before it");
            if (tensor.FileOffset > fileBytes - dataStart || tensor.ByteLength > fileBytes - dataStart - tensor.FileOffset)
                throw new GgufException(path, $"{tensor.Name}: {tensor.ByteLength} bytes at offset {tensor.FileOffset} end beyond the file: truncated?");
            end = tensor.FileOffset + tensor.ByteLength;
            placed.Add(tensor with { FileOffset = dataStart + tensor.FileOffset });
        }
        return placed;
    }
}
