using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Exo.Model.Text;
using Exo.Testing;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Tokenizers;

public class BpeTests
{
    [Property(MaxTest = 500)]
    public void Merging_by_heap_equals_the_definition(int[] numbers, int[] pairs)
    {
        // Ids 0 to 3 are characters; merge number r of two known ids makes the id 4 + r.
        var merges = new Dictionary<ulong, BpeMerge>();
        for (int rank = 0; rank < pairs.Length && rank < 30; rank++)
        {
            uint known = 4 + (uint)rank, pair = (uint)(pairs[rank] * 7919);
            merges.TryAdd(BpeMerge.Key((int)(pair % known), (int)(pair / known % known)), new(rank, 4 + rank));
        }
        List<int> symbols = [.. numbers.Select(static number => (int)((uint)(number * 31) % 4))];
        var merged = new List<int>();
        BpeMerger.Merge(symbols, merges, merged);
        Assert.Equal(MergeByDefinition(symbols, merges), merged);
    }

    [Fact]
    public void A_megabyte_of_one_character_takes_seconds()
    {
        var tokenizer = Tokenizer.Load(SharedFolder.DefaultModel);
        foreach (char character in "a 7中")
        {
            var watch = Stopwatch.StartNew();
            int[] ids = tokenizer.Encode(new string(character, 1 << 20));
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"'{character}' took {watch.Elapsed}");
            Assert.Equal(1 << 20, tokenizer.Decode(ids).Length);
        }
    }

    [Fact]
    public void Ids_equal_those_of_microsofts_bpe_where_that_can_do_it()
    {
        // An independent BPE over the same vocabulary; it has no pre-tokenizer of this kind, so words go in one by one.
        var file = JsonNode.Parse(File.ReadAllBytes(Path.Combine(SharedFolder.Golden, "tokenizers", "gpt2", "tokenizer.json")))!;
        string vocabulary = file["model"]!["vocab"]!.ToJsonString();
        string merges = string.Join('\n', file["model"]!["merges"]!.AsArray().Select(static pair => $"{pair![0]} {pair[1]}"));
        using var vocabularyStream = new MemoryStream(Encoding.UTF8.GetBytes(vocabulary));
        using var mergesStream = new MemoryStream(Encoding.UTF8.GetBytes(merges));
        var theirs = Microsoft.ML.Tokenizers.BpeTokenizer.Create(vocabularyStream, mergesStream);
        var ours = TokenizerCase.Load("gpt2");
        string[] words = ["the", "internationalization", "tokenizers", "aaaaaaaaaaaaaaaa", "Hello", "antidisestablishmentarianism", "zzz"];
        foreach (string word in words)
            Assert.Equal(theirs.EncodeToIds(word), ours.Encode(word));
    }

    [Fact]
    public void Half_a_surrogate_pair_counts_as_the_replacement_character()
    {
        var tokenizer = TokenizerCase.Load("llama3");
        Assert.Equal(tokenizer.Encode("a\uFFFDb\uFFFD"), tokenizer.Encode("a\uD800b\uDC00"));
    }

    private static List<int> MergeByDefinition(List<int> symbols, Dictionary<ulong, BpeMerge> merges)
    {
        List<int> result = [.. symbols];
        while (true)
        {
            int best = -1;
            BpeMerge bestMerge = new(int.MaxValue, -1);
            for (int i = 0; i + 1 < result.Count; i++)
                if (merges.TryGetValue(BpeMerge.Key(result[i], result[i + 1]), out var merge) && merge.Rank < bestMerge.Rank)
                    (best, bestMerge) = (i, merge);
            if (best < 0)
                return result;
            result[best] = bestMerge.Id;
            result.RemoveAt(best + 1);
        }
    }
}
