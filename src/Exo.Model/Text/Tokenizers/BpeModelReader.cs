using System.Text.Json;

namespace Exo.Model.Text;

/// <summary>Reads the "model" of a tokenizer.json: vocabulary, merges and flags of a BPE.</summary>
internal static class BpeModelReader
{
    public static Dictionary<string, int> ReadVocabulary(JsonField model)
    {
        var type = model.Member("type");
        // Older files leave the type out; a BPE is then known by its merges.
        string kind = type.IsNull ? (model.Member("merges").IsNull ? "none" : "BPE") : type.String();
        if (kind != "BPE")
            throw type.Refuse($"expected the model BPE, got {JsonField.Show(kind)}");
        var field = model.Required("vocab");
        if (field.Kind != JsonValueKind.Object)
            throw field.Refuse($"expected an object, got {field.Kind}");
        var vocabulary = new Dictionary<string, int>(field.Element.GetPropertyCount());
        foreach (var entry in field.Element.EnumerateObject())
        {
            string token = NameOf(field, entry);
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out int id)
                || id is < 0 or >= TokenizerReader.MaxVocabSize)
                throw field.Refuse($"{JsonField.Show(token)}: expected an id from 0 to {TokenizerReader.MaxVocabSize - 1}");
            if (!vocabulary.TryAdd(token, id))
                throw field.Refuse($"{JsonField.Show(token)} appears twice");
        }
        return vocabulary;
    }

    public static BpeModel Read(JsonField model, Dictionary<string, int> vocabulary)
    {
        var dropout = model.Member("dropout");
        if (!dropout.IsNull && !(dropout.Kind == JsonValueKind.Number && dropout.Element.TryGetDouble(out double rate) && rate == 0))
            throw dropout.Refuse("expected none: dropout makes encoding random");
        string continuingPrefix = Text(model.Member("continuing_subword_prefix"));
        var unknown = model.Member("unk_token");
        int? unknownId = null;
        if (!unknown.IsNull)
        {
            string token = unknown.String();
            unknownId = vocabulary.TryGetValue(token, out int id) ? id : null;
        }
        var options = new BpeOptions(
            unknownId,
            model.Member("fuse_unk").Flag(false),
            model.Member("byte_fallback").Flag(false),
            model.Member("ignore_merges").Flag(false),
            continuingPrefix,
            Text(model.Member("end_of_word_suffix")));
        return new(vocabulary, ReadMerges(model.Required("merges"), vocabulary, continuingPrefix), options);
    }

    private static string Text(JsonField field) => field.IsNull ? "" : field.String();

    private static Dictionary<ulong, BpeMerge> ReadMerges(JsonField field, Dictionary<string, int> vocabulary, string continuingPrefix)
    {
        if (field.Kind != JsonValueKind.Array)
            throw field.Refuse($"expected an array, got {field.Kind}");
        var merges = new Dictionary<ulong, BpeMerge>(field.Element.GetArrayLength());
        int rank = 0;
        foreach (var element in field.Element.EnumerateArray())
        {
            var item = field.Item(rank, element);
            var (left, right) = ReadPair(item);
            bool prefixed = right.StartsWith(continuingPrefix, StringComparison.Ordinal);
            if (!prefixed || !vocabulary.TryGetValue(left, out int leftId) || !vocabulary.TryGetValue(right, out int rightId)
                || !vocabulary.TryGetValue(left + right[continuingPrefix.Length..], out int mergedId))
                throw item.Refuse(
                    $"expected two tokens of the vocabulary that make a third, got {JsonField.Show(left)} and {JsonField.Show(right)}");
            merges[BpeMerge.Key(leftId, rightId)] = new(rank++, mergedId);
        }
        return merges;
    }

    private static (string Left, string Right) ReadPair(JsonField field)
    {
        if (field.Kind == JsonValueKind.String)
        {
            string text = field.String();
            int space = text.IndexOf(' ');
            return space >= 0 && space == text.LastIndexOf(' ')
                ? (text[..space], text[(space + 1)..])
                : throw field.Refuse("expected two tokens with one space between");
        }
        var pair = field.Items().ToArray();
        return pair.Length == 2 ? (pair[0].String(), pair[1].String()) : throw field.Refuse($"expected two tokens, got {pair.Length}");
    }

    private static string NameOf(JsonField field, JsonProperty entry)
    {
        try
        {
            return entry.Name;
        }
        catch (InvalidOperationException cause)
        {
            throw field.Refuse("a token is not valid UTF-8, or holds half a surrogate pair", cause);
        }
    }
}
