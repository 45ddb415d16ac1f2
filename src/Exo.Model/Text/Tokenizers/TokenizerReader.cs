using System.Text.Json;

namespace Exo.Model.Text;

/// <summary>Reads a tokenizer.json: the whole, its added tokens; the components are read by the readers beside.</summary>
internal static class TokenizerReader
{
    /// <summary>One more than the highest id allowed: above any published vocabulary, and the table by id stays small.</summary>
    public const int MaxVocabSize = 1 << 22;

    private const int MaxAddedTokenLength = 4096;

    public static TokenizerParts Read(ReadOnlySpan<byte> utf8Json, string name)
    {
        using var document = Parse(utf8Json, name);
        var root = new JsonField(name, "", document.RootElement);
        if (root.Kind != JsonValueKind.Object)
            throw root.Refuse($"expected a JSON object, got {root.Kind}");
        var vocabulary = BpeModelReader.ReadVocabulary(root.Required("model"));
        var added = ReadAddedTokens(root.Member("added_tokens"), vocabulary);
        var normalizer = NormalizerReader.Read(root.Member("normalizer"));
        var normalizedContent = added.Where(static token => token.Normalized)
            .ToDictionary(static token => token, token => normalizer.Apply(new(token.Content, true)).Text);
        string?[] tokenOfId = TokensById(root, vocabulary, added);
        string?[] textOfId = [.. tokenOfId];
        // Decoding writes the text that an added token is found by.
        foreach (var (token, text) in normalizedContent)
            textOfId[token.Id] = text;
        return new(
            name,
            BpeModelReader.Read(root.Required("model"), vocabulary),
            new(added.Where(static token => !token.Normalized).Select(static token => (token.Content, token))),
            new(normalizedContent.Select(static entry => (entry.Value, entry.Key))),
            normalizer,
            PreTokenizerReader.Read(root.Member("pre_tokenizer")),
            PostProcessorReader.Read(root.Member("post_processor")),
            DecoderReader.Read(root.Member("decoder")),
            tokenOfId,
            textOfId,
            added.ToDictionary(static token => token.Content, static token => token.Id),
            [.. added.Where(static token => token.Special).Select(static token => token.Id)]);
    }

    private static JsonDocument Parse(ReadOnlySpan<byte> utf8Json, string name)
    {
        try
        {
            var reader = new Utf8JsonReader(utf8Json, new JsonReaderOptions { MaxDepth = 64 });
            var document = JsonDocument.ParseValue(ref reader);
            if (reader.Read())
                throw new TokenizerException(name, "", $"expected one JSON value, more follows at byte {reader.BytesConsumed}");
            return document;
        }
        catch (JsonException cause)
        {
            throw new TokenizerException(name, "", $"expected JSON ({cause.Message})", cause);
        }
    }

    private static List<AddedToken> ReadAddedTokens(JsonField field, Dictionary<string, int> vocabulary)
    {
        var tokens = new Dictionary<int, AddedToken>();
        if (field.IsNull)
            return [];
        var idOfContent = new Dictionary<string, int>();
        foreach (var item in field.Items())
        {
            var token = ReadAddedToken(item);
            var id = item.Member("id");
            string shown = JsonField.Show(token.Content);
            if (vocabulary.TryGetValue(token.Content, out int known) && known != token.Id)
                throw id.Refuse($"expected {known}, the id of {shown} in the vocabulary, got {token.Id}");
            if (!idOfContent.TryAdd(token.Content, token.Id) && idOfContent[token.Content] != token.Id)
                throw id.Refuse($"{shown} is added twice, with the ids {idOfContent[token.Content]} and {token.Id}");
            if (tokens.TryGetValue(token.Id, out var other) && other.Content != token.Content)
                throw id.Refuse($"the id {token.Id} is given to {JsonField.Show(other.Content)} and to {shown}");
            // Said twice, the later flags count.
            tokens[token.Id] = token;
        }
        return [.. tokens.Values];
    }

    private static AddedToken ReadAddedToken(JsonField item)
    {
        var content = item.Required("content");
        string text = content.String();
        if (text.Length is 0 or > MaxAddedTokenLength)
            throw content.Refuse($"expected 1 to {MaxAddedTokenLength} characters, got {text.Length}");
        return new(
            item.Required("id").Integer(0, MaxVocabSize - 1),
            text,
            item.Member("single_word").Flag(false),
            item.Member("lstrip").Flag(false),
            item.Member("rstrip").Flag(false),
            item.Member("normalized").Flag(true),
            item.Member("special").Flag(false));
    }

    private static string?[] TokensById(JsonField root, Dictionary<string, int> vocabulary, List<AddedToken> added)
    {
        int highest = Math.Max(vocabulary.Values.DefaultIfEmpty(-1).Max(), added.Select(static token => token.Id).DefaultIfEmpty(-1).Max());
        var tokens = new string?[highest + 1];
        foreach (var (token, id) in vocabulary)
        {
            if (tokens[id] is { } other)
                throw root.Member("model").Member("vocab").Refuse(
                    $"the id {id} is given to {JsonField.Show(other)} and to {JsonField.Show(token)}");
            tokens[id] = token;
        }
        // An added token hides a token of the model with the same id.
        foreach (var token in added)
            tokens[token.Id] = token.Content;
        return tokens;
    }
}
