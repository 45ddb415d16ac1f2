using System.Text.Json;

namespace Exo.Model.Text;

/// <summary>
/// A value inside a tokenizer file together with the path that leads to it, so that every refusal can say where it stands.
/// </summary>
internal readonly record struct JsonField(string File, string Path, JsonElement Element)
{
    private const int MaxShown = 60;

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
                yield return new(field.File, $"{field.Path}[{index++}]", item);
        }
    }

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
