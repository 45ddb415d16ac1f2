using System.Text.Json;

namespace Exo.Model.Text;

/// <summary>
/// A value inside a tokenizer file together with the path that leads to it, so that every refusal can say where it stands.
/// </summary>
internal readonly struct JsonField
{
    private const int MaxShown = 60;

    private readonly string _path;
    private readonly int _index;

    /// <param name="file">What errors call the file.</param>
    /// <param name="path">The members that lead here, separated by dots.</param>
    public JsonField(string file, string path, JsonElement element)
        : this(file, path, -1, element)
    {
    }

    // The index is written out only when somebody asks: there are a hundred thousand merges, and none is usually at fault.
    private JsonField(string file, string path, int index, JsonElement element) =>
        (File, _path, _index, Element) = (file, path, index, element);

    public string File { get; }

    public JsonElement Element { get; }

    public string Path => _index < 0 ? _path : $"{_path}[{_index}]";

    public bool IsNull => Element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public JsonValueKind Kind => Element.ValueKind;

    public TokenizerException Refuse(string problem, Exception? cause = null) => new(File, Path, problem, cause);

    public static string Show(string text) => text.Length <= MaxShown ? $"\"{text}\"" : $"\"{text[..MaxShown]}...\"";

    /// <summary>The member of this object, or a null field where it is missing.</summary>
    public JsonField Member(string name)
    {
        if (Kind != JsonValueKind.Object)
            throw Refuse($"expected an object with \"{name}\", got {Kind}");
        return new(File, Path.Length == 0 ? name : $"{Path}.{name}", Element.TryGetProperty(name, out var value) ? value : default);
    }

    public JsonField Required(string name)
    {
        var member = Member(name);
        return member.IsNull ? throw member.Refuse("missing") : member;
    }

    public IEnumerable<JsonField> Items()
    {
        if (Kind != JsonValueKind.Array)
            throw Refuse($"expected an array, got {Kind}");
        return ItemsOf(this);

        static IEnumerable<JsonField> ItemsOf(JsonField field)
        {
            int index = 0;
            foreach (var item in field.Element.EnumerateArray())
                yield return field.Item(index++, item);
        }
    }

    /// <summary>The element of this array at an index that the caller has counted.</summary>
    public JsonField Item(int index, JsonElement element) => new(File, Path, index, element);

    public string String()
    {
        if (Kind != JsonValueKind.String)
            throw Refuse($"expected a string, got {Kind}");
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException cause)
        {
            throw Refuse("the string is not valid UTF-8, or holds half a surrogate pair", cause);
        }
    }

    /// <summary>The string when it is one character long.</summary>
    public char Character()
    {
        string text = String();
        return text.Length == 1 ? text[0] : throw Refuse($"expected one character, got {Show(text)}");
    }

    public int Integer(int lowest, int highest)
    {
        if (Kind != JsonValueKind.Number || !Element.TryGetInt32(out int value) || value < lowest || value > highest)
            throw Refuse($"expected an integer from {lowest} to {highest}, got {Raw()}");
        return value;
    }

    public bool Flag(bool missing) => Kind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined => missing,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Refuse($"expected true or false, got {Kind}"),
    };

    private string Raw()
    {
        if (Kind == JsonValueKind.Undefined)
            return "nothing";
        string raw = Element.GetRawText();
        return raw.Length <= MaxShown ? raw : raw[..MaxShown] + "...";
    }
}
