using System.Collections;

namespace Exo.WeightsTools.Gguf;

/// <summary>
/// The key-value part of a GGUF file. Whole numbers are held as long, others as float or double; arrays as long[], double[],
/// bool[], string[] or object[] (of arrays).
/// </summary>
public sealed class GgufMetadata
{
    private const int MaxArrayDepth = 4;
    private const int MaxElements = 1 << 24;

    private readonly string _path;
    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    private GgufMetadata(string path) => _path = path;

    internal static GgufMetadata Read(string path, GgufCursor cursor, int count)
    {
        var metadata = new GgufMetadata(path);
        for (int i = 0; i < count; i++)
        {
            string key = cursor.ReadString("metadata key");
            object value = metadata.ReadValue(cursor, key, cursor.ReadUInt32(), depth: 0);
            if (!metadata._values.TryAdd(key, value)) throw new GgufException(path, $"{key}: occurs twice");
        }
        return metadata;
    }

    public IEnumerable<string> Keys => _values.Keys;

    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>A value of that type; throws if it is missing or of another type.</summary>
    public T Get<T>(string key) => TryGet(key, out T value)
        ? value
        : throw new GgufException(_path, $"{key}: expected, but the file does not have it");

    /// <summary>A value of that type, or the given one if the key is missing.</summary>
    public T Get<T>(string key, T missing) => TryGet(key, out T value) ? value : missing;

    public bool TryGet<T>(string key, out T value)
    {
        value = default!;
        if (!_values.TryGetValue(key, out object? found)) return false;
        value = found is T typed
            ? typed
            : throw new GgufException(_path, $"{key}: expected {typeof(T).Name}, got {found.GetType().Name}");
        return true;
    }

    /// <summary>A whole number in [min, max].</summary>
    public int GetInt(string key, int min, int max) => CheckRange(key, Get<long>(key), min, max);

    /// <summary>A whole number in [min, max], or the given one if the key is missing.</summary>
    public int GetInt(string key, int min, int max, int missing) =>
        TryGet(key, out long value) ? CheckRange(key, value, min, max) : missing;

    private int CheckRange(string key, long value, int min, int max) => value >= min && value <= max
        ? (int)value
        : throw new GgufException(_path, $"{key}: expected {min} to {max}, got {value}");

    private object ReadValue(GgufCursor cursor, string key, uint type, int depth) => type switch
    {
        0 => (long)cursor.ReadByte(),
        1 => (long)(sbyte)cursor.ReadByte(),
        2 => (long)cursor.ReadUInt16(),
        3 => (long)(short)cursor.ReadUInt16(),
        4 => (long)cursor.ReadUInt32(),
        5 => (long)(int)cursor.ReadUInt32(),
        6 => cursor.ReadSingle(),
        7 => cursor.ReadByte() != 0,
        8 => cursor.ReadString(key),
        9 when depth < MaxArrayDepth => ReadArray(cursor, key, depth),
        9 => throw new GgufException(_path, $"{key}: expected arrays nested at most {MaxArrayDepth} deep"),
        10 => Signed(key, cursor.ReadUInt64()),
        11 => (long)cursor.ReadUInt64(),
        12 => cursor.ReadDouble(),
        _ => throw new GgufException(_path, $"{key}: expected a value type from 0 to 12, got {type}"),
    };

    private long Signed(string key, ulong value) => value <= long.MaxValue
        ? (long)value
        : throw new GgufException(_path, $"{key}: expected at most 2^63 - 1, got {value}");

    private object ReadArray(GgufCursor cursor, string key, int depth)
    {
        uint type = cursor.ReadUInt32();
        int minBytes = type switch { 0 or 1 or 7 => 1, 2 or 3 => 2, 4 or 5 or 6 => 4, 9 => 12, _ => 8 };
        int count = cursor.ReadCount(key, minBytes, MaxElements);
        IList values = type switch
        {
            0 or 1 or 2 or 3 or 4 or 5 or 10 or 11 => new long[count],
            6 => new float[count],
            7 => new bool[count],
            8 => new string[count],
            9 => new object[count],
            12 => new double[count],
            _ => throw new GgufException(_path, $"{key}: expected an element type from 0 to 12, got {type}"),
        };
        for (int i = 0; i < count; i++) values[i] = ReadValue(cursor, key, type, depth + 1);
        return values;
    }
}
