using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>What tokenizer.json says before BPE runs, by the name that GGUF gives the family (`tokenizer.ggml.pre`).</summary>
/// <param name="PreTokenizer">The `pre_tokenizer` object.</param>
/// <param name="Normalizer">The `normalizer` object, or null.</param>
/// <param name="IgnoreMerges">A piece that is a token is taken whole.</param>
internal sealed record PreTokenizers(JsonObject PreTokenizer, JsonObject? Normalizer = null, bool IgnoreMerges = false)
{
    // Patterns as the models' own tokenizer.json files have them.
    private const string Llama3Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string TekkenPattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        + @"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <exception cref="GgufException">A family that is not known here: guessing would split text wrongly.</exception>
    public static PreTokenizers Of(string path, string family) => family switch
    {
        "default" or "gpt-2" => new PreTokenizers(ByteLevel(useRegex: true)),
        "smollm" => new PreTokenizers(Sequence(Digits(), ByteLevel(useRegex: true))),
        "llama-bpe" or "llama-v3" or "llama3" => new PreTokenizers(Sequence(Split(Llama3Pattern), ByteLevel(useRegex: false)), IgnoreMerges: true),
        "qwen2" => new PreTokenizers(
            Sequence(Split(QwenPattern), ByteLevel(useRegex: false)), Normalizer: new JsonObject { ["type"] = "NFC" }),
        "tekken" => new PreTokenizers(Sequence(Split(TekkenPattern), ByteLevel(useRegex: false)), IgnoreMerges: true),
        _ => throw new GgufException(path, $"tokenizer.ggml.pre: '{family}' is not a family that can be imported"),
    };

    /// <summary>The family whose texts are split as this tokenizer.json splits them; null if it is none of those above.</summary>
    public static string? FamilyOf(JsonElement tokenizer)
    {
        JsonElement found = tokenizer.TryGetProperty("pre_tokenizer", out JsonElement p) ? p : default;
        return Array.Find(_families, family =>
        {
            JsonObject known = Of("", family).PreTokenizer;
            return Signature(JsonSerializer.SerializeToElement(known)) == Signature(found);
        });
    }

    private static readonly string[] _families = ["gpt-2", "smollm", "llama-bpe", "qwen2", "tekken"];

    // What decides where a text is split: not trim_offsets, which moves reported positions alone.
    private static string Signature(JsonElement node)
    {
        if (node.ValueKind != JsonValueKind.Object) return "";
        string[] keys = ["type", "individual_digits", "add_prefix_space", "use_regex", "behavior", "invert"];
        string text = string.Join(' ', keys.Select(k => node.TryGetProperty(k, out JsonElement v) ? v.ToString() : "-"));
        if (node.TryGetProperty("pattern", out JsonElement pattern)) text += ' ' + pattern.EnumerateObject().FirstOrDefault().Value.ToString();
        if (node.TryGetProperty("pretokenizers", out JsonElement parts)) text += $" [{string.Join("; ", parts.EnumerateArray().Select(Signature))}]";
        return text;
    }

    public static JsonObject ByteLevel(bool useRegex) => ByteLevel(prefixSpace: false, trimOffsets: true, useRegex);

    /// <summary>The byte-level decoder and post-processor; neither looks at the flags that are on here.</summary>
    public static JsonObject ByteLevelDecoder() => ByteLevel(prefixSpace: true, trimOffsets: true, useRegex: true);

    private static JsonObject ByteLevel(bool prefixSpace, bool trimOffsets, bool useRegex) => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = prefixSpace,
        ["trim_offsets"] = trimOffsets,
        ["use_regex"] = useRegex,
    };

    private static JsonObject Digits() => new() { ["type"] = "Digits", ["individual_digits"] = true };

    private static JsonObject Split(string pattern) => new()
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = pattern },
        ["behavior"] = "Isolated",
        ["invert"] = false,
    };

    private static JsonObject Sequence(params JsonObject[] parts) => new()
    {
        ["type"] = "Sequence",
        ["pretokenizers"] = new JsonArray([.. parts]),
    };
}
