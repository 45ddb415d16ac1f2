using System.Text.Json;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Export;

/// <summary>The tokenizer and chat template of a checkpoint as GGUF metadata (byte-level BPE alone).</summary>
internal static class TokenizerMetadata
{
    private const int NormalType = 1;
    private const int ControlType = 3;
    private const int UserDefinedType = 4;
    private const int UnusedType = 5;

    private const long MaxTokenizerBytes = 256 << 20;

    /// <summary>Adds the keys; a model without tokenizer.json gets a file without tokenizer.</summary>
    /// <exception cref="WeightsToolException">The tokenizer is of a kind that cannot be exported.</exception>
    public static void Add(Dictionary<string, object> metadata, string folder, int vocabSize, JsonElement modelConfig)
    {
        string path = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(path))
        {
            metadata["tokenizer.ggml.model"] = "none";
            return;
        }
        using JsonDocument document = Checkpoint.ReadJson(path, MaxTokenizerBytes);
        JsonElement root = document.RootElement;
        JsonElement model = Demand(path, root, "model", JsonValueKind.Object);
        if (Text(model, "type") is not (null or "BPE"))
            throw new WeightsToolException($"{path}: model.type: expected BPE, got '{Text(model, "type")}'");
        metadata["tokenizer.ggml.model"] = "gpt2";
        metadata["tokenizer.ggml.pre"] = PreTokenizers.FamilyOf(root)
            ?? throw new WeightsToolException($"{path}: pre_tokenizer: of no family that llama.cpp has a name for");
        AddTokens(metadata, path, root, Demand(path, model, "vocab", JsonValueKind.Object), vocabSize);
        metadata["tokenizer.ggml.merges"] = Demand(path, model, "merges", JsonValueKind.Array).EnumerateArray()
            .Select(m => m.ValueKind == JsonValueKind.String ? m.GetString()! : string.Join(' ', m.EnumerateArray().Select(p => p.GetString())))
            .ToArray();
        metadata["tokenizer.ggml.add_bos_token"] = BeginsWithSpecial(root);
        AddSpecialIds(metadata, folder, modelConfig);
    }

    private static void AddTokens(Dictionary<string, object> metadata, string path, JsonElement root, JsonElement vocabulary, int vocabSize)
    {
        string[] tokens = [.. Enumerable.Range(0, vocabSize).Select(id => $"[PAD{id}]")]; // rows without a token, as converters name them
        int[] types = [.. Enumerable.Repeat(UnusedType, vocabSize)];
        void Set(string token, JsonElement id, int type)
        {
            if (!id.TryGetInt32(out int index) || index < 0 || index >= vocabSize)
                throw new WeightsToolException($"{path}: '{token}': expected an id below {vocabSize}, got {id}");
            (tokens[index], types[index]) = (token, type);
        }
        foreach (JsonProperty token in vocabulary.EnumerateObject()) Set(token.Name, token.Value, NormalType);
        if (root.TryGetProperty("added_tokens", out JsonElement added) && added.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement token in added.EnumerateArray())
            {
                bool special = token.TryGetProperty("special", out JsonElement flag) && flag.ValueKind == JsonValueKind.True;
                Set(Text(token, "content") ?? "", token.GetProperty("id"), special ? ControlType : UserDefinedType);
            }
        }
        metadata["tokenizer.ggml.tokens"] = tokens;
        metadata["tokenizer.ggml.token_type"] = types;
    }

    // A post-processor whose template for one text begins with a special token.
    private static bool BeginsWithSpecial(JsonElement root)
    {
        if (!root.TryGetProperty("post_processor", out JsonElement processor) || processor.ValueKind != JsonValueKind.Object) return false;
        IEnumerable<JsonElement> steps = processor.TryGetProperty("processors", out JsonElement several) ? several.EnumerateArray() : [processor];
        return steps.Any(s => s.TryGetProperty("single", out JsonElement single) && single.GetArrayLength() > 0
            && single[0].TryGetProperty("SpecialToken", out _));
    }

    private static void AddSpecialIds(Dictionary<string, object> metadata, string folder, JsonElement modelConfig)
    {
        foreach ((string key, string name) in new[] { ("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding") })
        {
            if (!modelConfig.TryGetProperty(key, out JsonElement id)) continue;
            if (id.ValueKind == JsonValueKind.Array && id.GetArrayLength() > 0)
            {
                // The first ends a text; of the others, GGUF can name one that ends a turn.
                if (id.GetArrayLength() > 1) metadata["tokenizer.ggml.eot_token_id"] = id[1].GetUInt32();
                id = id[0];
            }
            if (id.ValueKind == JsonValueKind.Number) metadata[$"tokenizer.ggml.{name}_token_id"] = id.GetUInt32();
        }
        if (TokenizerConfigText(folder, "unk_token") is string unknown
            && Array.IndexOf((string[])metadata["tokenizer.ggml.tokens"], unknown) is >= 0 and int unknownId)
        {
            metadata["tokenizer.ggml.unknown_token_id"] = (uint)unknownId;
        }
        if (Template(folder) is string template) metadata["tokenizer.chat_template"] = template;
    }

    private static string? Template(string folder)
    {
        string file = Path.Combine(folder, "chat_template.jinja");
        return File.Exists(file) ? File.ReadAllText(file) : TokenizerConfigText(folder, "chat_template");
    }

    private static string? TokenizerConfigText(string folder, string key)
    {
        string file = Path.Combine(folder, "tokenizer_config.json");
        if (!File.Exists(file)) return null;
        using JsonDocument config = Checkpoint.ReadJson(file);
        return Text(config.RootElement, key);
    }

    private static string? Text(JsonElement element, string key) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static JsonElement Demand(string path, JsonElement element, string key, JsonValueKind kind) =>
        element.TryGetProperty(key, out JsonElement value) && value.ValueKind == kind
            ? value
            : throw new WeightsToolException($"{path}: {key}: expected {kind}");
}
