using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Host.Api;

/// <summary>
/// One JSON object of a request, read field by field: each is taken by name, and <see cref="RefuseRest"/> refuses those that nobody
/// took. null counts as absent, as in OpenAI's API.
/// </summary>
internal sealed class RequestBody
{
    private readonly Dictionary<string, JsonElement> _fields = [];
    private readonly string _path;

    public RequestBody(JsonElement element, string path)
    {
        _path = path;
        if (element.ValueKind != JsonValueKind.Object) throw ApiException.Bad(path.Length == 0 ? "body" : path, "an object", element.ValueKind.ToString());
        foreach (JsonProperty property in element.EnumerateObject())
            if (property.Value.ValueKind != JsonValueKind.Null) _fields[property.Name] = property.Value;
    }

    /// <summary>Parses a body: one object of <see cref="StrictJson"/>.</summary>
    public static RequestBody Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            return new RequestBody(StrictJson.Parse(utf8), "");
        }
        catch (JsonException e)
        {
            throw new ApiException(StatusCodes.Status400BadRequest, $"the body is not valid JSON: {e.Message}");
        }
    }

    /// <summary>Takes a field, or null.</summary>
    public JsonElement? Take(string name) => _fields.Remove(name, out JsonElement value) ? value : null;

    public string? Text(string name) => Take(name) is { } value ? TextOf(value, Path(name)) : null;

    public bool Flag(string name, bool fallback = false) => Take(name) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } other => throw ApiException.Bad(Path(name), "true or false", other.GetRawText()),
    };

    public double Number(string name, double fallback, double minimum, double maximum)
    {
        if (Take(name) is not { } value) return fallback;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !(number >= minimum && number <= maximum))
            throw ApiException.Bad(Path(name), $"a number from {minimum} to {maximum}", value.GetRawText());
        return number;
    }

    public long? Integer(string name, long minimum, long maximum)
    {
        if (Take(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number) || number < minimum || number > maximum)
            throw ApiException.Bad(Path(name), $"an integer from {minimum} to {maximum}", value.GetRawText());
        return number;
    }

    public RequestBody? Object(string name) => Take(name) is { } value ? new RequestBody(value, Path(name)) : null;

    public IReadOnlyList<JsonElement>? List(string name)
    {
        if (Take(name) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw ApiException.Bad(Path(name), "a list", value.GetRawText());
    }

    /// <summary>A field's name with where it lies: "messages[2].content".</summary>
    public string Path(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>Refuses the first field that was not taken.</summary>
    public void RefuseRest()
    {
        foreach (string name in _fields.Keys) throw ApiException.Unsupported(Path(name), "this field is not supported");
    }

    /// <summary>A string.</summary>
    public static string TextOf(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw ApiException.Bad(path, "a string", value.GetRawText());

    /// <summary>Any JSON, for a template.</summary>
    public static JsonNode? NodeOf(JsonElement value) => JsonNode.Parse(value.GetRawText());
}
