using System.Buffers.Binary;
using System.Text;

namespace Exo.WeightsTools.Gguf;

/// <summary>
/// Writes a GGUF file, version 3: metadata first, then the tensors' entries, then their bytes in the announced order. The file is
/// there whole or not at all.
/// </summary>
public sealed class GgufWriter : IDisposable
{
    private const int Alignment = 32;

    private readonly string _path;
    private readonly string _partial;
    private readonly FileStream _stream;
    private readonly IReadOnlyList<Entry> _tensors;
    private int _current;
    private long _left;
    private bool _finished;

    /// <summary>A tensor to come: sizes innermost first.</summary>
    public readonly record struct Entry(string Name, GgmlType Type, IReadOnlyList<long> Sizes)
    {
        public long ByteLength => Sizes.Skip(1).Aggregate(Sizes[0] / Type.Block().Elements * Type.Block().Bytes, (a, b) => checked(a * b));
    }

    public GgufWriter(string path, IReadOnlyDictionary<string, object> metadata, IReadOnlyList<Entry> tensors)
    {
        if (Path.Exists(path)) throw new WeightsToolException($"{path}: expected a new file, but it exists");
        _path = path;
        _tensors = tensors;
        _partial = $"{path}.partial-{Guid.NewGuid():N}";
        _stream = new FileStream(_partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20);
        WriteHeader(metadata);
        _left = tensors.Count > 0 ? tensors[0].ByteLength : 0;
    }

    /// <summary>The next bytes of the tensor whose turn it is.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (_current == _tensors.Count || bytes.Length > _left) throw new InvalidOperationException($"{_path}: more bytes than were announced");
        _stream.Write(bytes);
        _left -= bytes.Length;
        if (_left > 0) return;
        Pad();
        _left = ++_current < _tensors.Count ? _tensors[_current].ByteLength : 0;
    }

    /// <summary>Checks that all tensors are there, and gives the file its name.</summary>
    public void Finish()
    {
        if (_current < _tensors.Count) throw new InvalidOperationException($"{_path}: {_tensors[_current].Name}: {_left} bytes are missing");
        _stream.Dispose();
        File.Move(_partial, _path);
        _finished = true;
    }

    public void Dispose()
    {
        _stream.Dispose();
        if (!_finished) File.Delete(_partial);
    }

    private void WriteHeader(IReadOnlyDictionary<string, object> metadata)
    {
        using var writer = new BinaryWriter(_stream, Encoding.UTF8, leaveOpen: true); // little-endian on every machine
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)_tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach ((string key, object value) in metadata)
        {
            WriteString(writer, key);
            writer.Write(TypeOf(value));
            WriteValue(writer, value);
        }
        long offset = 0;
        foreach (Entry tensor in _tensors)
        {
            WriteString(writer, tensor.Name);
            writer.Write((uint)tensor.Sizes.Count);
            foreach (long size in tensor.Sizes) writer.Write((ulong)size);
            writer.Write((uint)tensor.Type);
            writer.Write((ulong)offset);
            offset += (tensor.ByteLength + Alignment - 1) / Alignment * Alignment;
        }
        writer.Flush();
        Pad();
    }

    private void Pad()
    {
        ReadOnlySpan<byte> zeros = stackalloc byte[Alignment];
        _stream.Write(zeros[..(int)(-_stream.Position & (Alignment - 1))]);
    }

    private static uint TypeOf(object value) => value switch
    {
        uint => 4,
        int => 5,
        float => 6,
        bool => 7,
        string => 8,
        string[] or int[] or float[] => 9,
        _ => throw new ArgumentException($"no GGUF type for {value.GetType().Name}"),
    };

    private static void WriteValue(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case uint number: writer.Write(number); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case string text: WriteString(writer, text); break;
            case string[] texts:
                writer.Write(8u);
                writer.Write((ulong)texts.Length);
                foreach (string text in texts) WriteString(writer, text);
                break;
            case int[] numbers:
                writer.Write(5u);
                writer.Write((ulong)numbers.Length);
                foreach (int number in numbers) writer.Write(number);
                break;
            case float[] numbers:
                writer.Write(6u);
                writer.Write((ulong)numbers.Length);
                foreach (float number in numbers) writer.Write(number);
                break;
        }
    }

    private static void WriteString(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
