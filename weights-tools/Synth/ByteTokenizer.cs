using System.Text.Json.Nodes;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Synth;

/// <summary>A tokenizer of 257 tokens: one that ends a text, and every byte in GPT-2's alphabet.</summary>
internal static class ByteTokenizer
{
    private const string End = "<|endoftext|>";

    public static void Write(OutputFolder folder)
    {
        var vocabulary = new JsonObject { [End] = 0 };
        foreach (char letter in Alphabet()) vocabulary[letter.ToString()] = vocabulary.Count;
        var tokenizer = new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(new JsonObject
            {
                ["id"] = 0,
                ["content"] = End,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true,
            }),
            ["normalizer"] = null,
            ["pre_tokenizer"] = PreTokenizers.ByteLevel(useRegex: true),
            ["post_processor"] = null,
            ["decoder"] = PreTokenizers.ByteLevelDecoder(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["ignore_merges"] = false,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray(),
            },
        };
        ConfigFiles.WriteJson(folder.PathOf("tokenizer.json"), tokenizer);
        ConfigFiles.WriteJson(folder.PathOf("tokenizer_config.json"), new JsonObject
        {
            ["tokenizer_class"] = "PreTrainedTokenizerFast",
            ["bos_token"] = End,
            ["eos_token"] = End,
            ["clean_up_tokenization_spaces"] = false,
        });
    }

    /// <summary>The 256 letters that stand for bytes: printable bytes for themselves, the others from U+0100 on (GPT-2's encoder.py).</summary>
    private static IEnumerable<char> Alphabet()
    {
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff);
            yield return printable ? (char)b : (char)next++;
        }
    }
}
