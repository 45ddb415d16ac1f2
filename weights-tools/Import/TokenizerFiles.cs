using System.Text.Json.Nodes;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>tokenizer.json and tokenizer_config.json (with the chat template) from a GGUF file's metadata.</summary>
internal sealed class TokenizerFiles
{
    // tokenizer.ggml.token_type
    private const long NormalType = 1;
    private const long UnknownType = 2;
    private const long ControlType = 3;
    private const long UserDefinedType = 4;

    private const int MaxPieceChars = 1 << 12; // published vocabularies stay below 1,000; cuts of a piece are tried pairwise

    private readonly GgufFile _file;
    private readonly string[] _tokens;
    private readonly long[] _types;

    private TokenizerFiles(GgufFile file)
    {
        _file = file;
        _tokens = file.Metadata.Get<string[]>("tokenizer.ggml.tokens");
        _types = file.Metadata.Get("tokenizer.ggml.token_type", Enumerable.Repeat(NormalType, _tokens.Length).ToArray());
        if (_types.Length != _tokens.Length)
            throw new GgufException(file.Path, $"tokenizer.ggml.token_type: expected {_tokens.Length} elements, got {_types.Length}");
        if (_tokens.Distinct(StringComparer.Ordinal).Count() != _tokens.Length)
            throw new GgufException(file.Path, "tokenizer.ggml.tokens: expected each token once");
        if (_tokens.FirstOrDefault(t => t.Length > MaxPieceChars) is string piece)
            throw new GgufException(file.Path, $"tokenizer.ggml.tokens: expected at most {MaxPieceChars} characters, got {piece.Length}");
    }

    /// <summary>Writes the files if the file has a tokenizer.</summary>
    public static void Write(OutputFolder folder, GgufFile file)
    {
        if (!file.Metadata.TryGet("tokenizer.ggml.model", out string kind) || kind == "none") return;
        var files = new TokenizerFiles(file);
        JsonObject tokenizer = kind switch
        {
            "gpt2" => files.ByteLevelTokenizer(),
            "llama" => files.SentencePieceTokenizer(),
            _ => throw new GgufException(file.Path, $"tokenizer.ggml.model: expected gpt2 or llama, got '{kind}'"),
        };
        // On one line: indented, a large vocabulary doubles in size.
        File.WriteAllText(folder.PathOf("tokenizer.json"), tokenizer.ToJsonString(new() { Encoder = ConfigFiles.Json.Encoder }) + "\n");
        ConfigFiles.WriteJson(folder.PathOf("tokenizer_config.json"), files.TokenizerConfig());
    }

    private JsonObject ByteLevelTokenizer()
    {
        PreTokenizers family = PreTokenizers.Of(_file.Path, _file.Metadata.Get("tokenizer.ggml.pre", "default"));
        string[] lines = _file.Metadata.Get<string[]>("tokenizer.ggml.merges", []);
        var merges = new JsonArray();
        foreach (string line in lines) merges.Add(Pair(line));
        JsonObject tokenizer = Frame(family.Normalizer, family.PreTokenizer);
        JsonObject processor = PreTokenizers.ByteLevelDecoder();
        processor["trim_offsets"] = false;
        tokenizer["post_processor"] = BeginsText(missing: false) is string begin
            ? new JsonObject { ["type"] = "Sequence", ["processors"] = new JsonArray(processor, Template(begin)) }
            : processor;
        tokenizer["decoder"] = PreTokenizers.ByteLevelDecoder();
        tokenizer["model"] = Model(merges, unknown: null, family.IgnoreMerges);
        return tokenizer;
    }

    private JsonObject SentencePieceTokenizer()
    {
        float[] scores = _file.Metadata.Get<float[]>("tokenizer.ggml.scores");
        if (scores.Length != _tokens.Length)
            throw new GgufException(_file.Path, $"tokenizer.ggml.scores: expected {_tokens.Length} elements, got {scores.Length}");
        bool prefixSpace = _file.Metadata.Get("tokenizer.ggml.add_space_prefix", true);
        var merges = new JsonArray();
        foreach ((string left, string right) in SentencePieceMerges.Generate(_tokens, scores, id => _types[id] == NormalType))
            merges.Add(new JsonArray(left, right));
        var spaces = new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = " " }, ["content"] = "▁" };
        JsonObject normalizer = !prefixSpace ? spaces : new JsonObject
        {
            ["type"] = "Sequence",
            ["normalizers"] = new JsonArray(new JsonObject { ["type"] = "Prepend", ["prepend"] = "▁" }, spaces),
        };
        JsonObject tokenizer = Frame(normalizer, preTokenizer: null);
        tokenizer["post_processor"] = BeginsText(missing: true) is string begin ? Template(begin) : null;
        tokenizer["decoder"] = SentencePieceDecoder(prefixSpace);
        int unknown = Array.IndexOf(_types, UnknownType);
        tokenizer["model"] = Model(merges, unknown < 0 ? null : _tokens[unknown], ignoreMerges: false);
        return tokenizer;
    }

    private static JsonObject SentencePieceDecoder(bool prefixSpace)
    {
        var decoders = new JsonArray(
            new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = "▁" }, ["content"] = " " },
            new JsonObject { ["type"] = "ByteFallback" },
            new JsonObject { ["type"] = "Fuse" });
        if (prefixSpace) decoders.Add(new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 });
        return new JsonObject { ["type"] = "Sequence", ["decoders"] = decoders };
    }

    private JsonObject Frame(JsonObject? normalizer, JsonObject? preTokenizer)
    {
        var added = new JsonArray();
        for (int id = 0; id < _tokens.Length; id++)
        {
            if (IsAdded(id)) added.Add(AddedToken(id));
        }
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = normalizer,
            ["pre_tokenizer"] = preTokenizer,
        };
    }

    private bool IsAdded(int id) => _types[id] is UnknownType or ControlType or UserDefinedType;

    private JsonObject AddedToken(int id) => new()
    {
        ["id"] = id,
        ["content"] = _tokens[id],
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = _types[id] != UserDefinedType,
    };

    // Byte fallback where the vocabulary has a token for each byte, as SentencePiece's have. Added tokens are in the vocabulary too:
    // that is what gives them their ids.
    private JsonObject Model(JsonArray merges, string? unknown, bool ignoreMerges)
    {
        var vocabulary = new JsonObject();
        for (int id = 0; id < _tokens.Length; id++) vocabulary[_tokens[id]] = id;
        return new JsonObject
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = unknown,
            ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null,
            ["fuse_unk"] = unknown is not null,
            ["byte_fallback"] = _tokens.Contains("<0x00>"),
            ["ignore_merges"] = ignoreMerges,
            ["vocab"] = vocabulary,
            ["merges"] = merges,
        };
    }

    private JsonArray Pair(string line)
    {
        int space = line.IndexOf(' ', 1); // a piece may begin with a space only in tokenizers that are not byte-level
        return space > 0 && space < line.Length - 1
            ? new JsonArray(line[..space], line[(space + 1)..])
            : throw new GgufException(_file.Path, $"tokenizer.ggml.merges: expected two pieces with a space between, got '{line}'");
    }

    // The token that the tokenizer puts before a text, if it does.
    private string? BeginsText(bool missing) => _file.Metadata.Get("tokenizer.ggml.add_bos_token", missing) ? Token("bos") : null;

    private string? Token(string role)
    {
        string key = $"tokenizer.ggml.{role}_token_id";
        return _file.Metadata.Contains(key) ? _tokens[_file.Metadata.GetInt(key, 0, _tokens.Length - 1)] : null;
    }

    private JsonObject Template(string begin)
    {
        static JsonObject Special(string token) => new() { ["SpecialToken"] = new JsonObject { ["id"] = token, ["type_id"] = 0 } };
        static JsonObject Text(string id) => new() { ["Sequence"] = new JsonObject { ["id"] = id, ["type_id"] = 0 } };
        return new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray(Special(begin), Text("A")),
            ["pair"] = new JsonArray(Special(begin), Text("A"), Special(begin), Text("B")),
            ["special_tokens"] = new JsonObject
            {
                [begin] = new JsonObject
                {
                    ["id"] = begin,
                    ["ids"] = new JsonArray(Array.IndexOf(_tokens, begin)),
                    ["tokens"] = new JsonArray(begin),
                },
            },
        };
    }

    private JsonObject TokenizerConfig()
    {
        var config = new JsonObject { ["tokenizer_class"] = "PreTrainedTokenizerFast" };
        foreach ((string key, string role) in new[]
            { ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding") })
        {
            if (Token(role) is string token) config[key] = token;
        }
        var added = new JsonObject();
        for (int id = 0; id < _tokens.Length; id++)
        {
            if (!IsAdded(id)) continue;
            JsonObject token = AddedToken(id);
            token.Remove("id");
            added[id.ToString()] = token;
        }
        config["added_tokens_decoder"] = added;
        config["clean_up_tokenization_spaces"] = false;
        if (_file.Metadata.TryGet("tokenizer.chat_template", out string template)) config["chat_template"] = template;
        return config;
    }
}
