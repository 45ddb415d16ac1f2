using System.Text.Json;

namespace Exo.Model;

/// <summary>Typed access to one JSON object of a model folder; every refusal names the file, the key and what was found.</summary>
public readonly struct ConfigReader
{
    private readonly JsonElement _element;
    private readonly string _where;

    /// <summary>Reads <paramref name="element"/>, called <paramref name="where"/> in errors.</summary>
    public ConfigReader(JsonElement element, string where)
    {
        _where = where;
        _element = element;
        if (element.ValueKind != JsonValueKind.Object) throw new ModelException($"{where}: expected an object, got {element.ValueKind}");
    }

    /// <summary>Parses a file that must hold one object.</summary>
    public static ConfigReader Open(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelException($"{path}: the file is missing", e);
        }
        try
        {
            using var document = JsonDocument.Parse(bytes);
            return new ConfigReader(document.RootElement.Clone(), path);
        }
        catch (JsonException e)
        {
            throw new ModelException($"{path}: not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>Keys and values of the object.</summary>
    public JsonElement.ObjectEnumerator Properties => _element.EnumerateObject();

    /// <summary>True where the key is there and not null.</summary>
    public bool Has(string key) => _element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>The element of a key, or null.</summary>
    public JsonElement? Element(string key) => Has(key) ? _element.GetProperty(key) : null;

    /// <summary>The object of a key, or null.</summary>
    public ConfigReader? Object(string key) => Has(key) ? new ConfigReader(_element.GetProperty(key), $"{_where}: {key}") : null;

    /// <summary>Sizes beyond this are nonsense: no model has them, and products of two stay far from overflow.</summary>
    public const int LargestSize = 1 << 24;

    /// <summary>A positive integer, required unless a fallback is given.</summary>
    public int Int(string key, int? fallback = null, int minimum = 1, int maximum = LargestSize)
    {
        if (!Has(key)) return fallback ?? throw Refuse(key, "an integer", "nothing");
        JsonElement value = _element.GetProperty(key);
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out int number) || number < minimum || number > maximum)
            throw Refuse(key, $"an integer from {minimum} to {maximum}", value.GetRawText());
        return number;
    }

    /// <summary>A finite number, required unless a fallback is given.</summary>
    public double Number(string key, double? fallback = null)
    {
        if (!Has(key)) return fallback ?? throw Refuse(key, "a number", "nothing");
        JsonElement value = _element.GetProperty(key);
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !double.IsFinite(number))
            throw Refuse(key, "a number", value.GetRawText());
        return number;
    }

    /// <summary>true or false.</summary>
    public bool Flag(string key, bool fallback)
    {
        if (!Has(key)) return fallback;
        JsonElement value = _element.GetProperty(key);
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Refuse(key, "true or false", value.GetRawText()),
        };
    }

    /// <summary>A string, or the fallback.</summary>
    public string? Text(string key, string? fallback = null)
    {
        if (!Has(key)) return fallback;
        JsonElement value = _element.GetProperty(key);
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Refuse(key, "a string", value.GetRawText());
    }

    /// <summary>One integer or a list of them; empty where the key is not there.</summary>
    public int[] Ints(string key)
    {
        if (!Has(key)) return [];
        JsonElement value = _element.GetProperty(key);
        ConfigReader self = this;
        if (value.ValueKind == JsonValueKind.Array) return [.. value.EnumerateArray().Select(item => One(item))];
        return [One(value)];

        int One(JsonElement item) => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number)
            ? number
            : throw self.Refuse(key, "an integer or a list of integers", item.GetRawText());
    }

    /// <summary>The error for a value that does not fit.</summary>
    public ModelException Refuse(string key, string expected, string got) =>
        new($"{_where}: {key}: expected {expected}, got {(got.Length > 60 ? got[..60] + "..." : got)}");
}
