using Exo.Model.Weights;
using Exo.WeightsTools;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Import;
using Xunit;

namespace Exo.Weights.Tests;

/// <summary>Files as llama.cpp's "K" mixtures are: several block types in one model, some of which no affine group equals.</summary>
public sealed class MixedGgufTests : IDisposable
{
    private const int Hidden = 256;
    private const int Vocab = 40;

    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Types_that_no_affine_group_equals_become_float_with_the_same_values_and_are_named()
    {
        string path = Write(_ => { }, GgmlType.Q4_K, GgmlType.Q5_K, GgmlType.Q6_K);
        GgufImporter.Report report = GgufImporter.Import(path, _scratch.PathOf("model"), new ImportOptions());
        Assert.Equal(["3 tensors of Q6_K became F32"], report.Inexact);
        Assert.Equal(5, report.AffineTensors);
        GgufImporterTests.AssertSameValues(path, _scratch.PathOf("model"));
        using Checkpoint checkpoint = Checkpoint.Open(_scratch.PathOf("model"));
        Assert.Empty(Exo.WeightsTools.Verify.Verifier.Verify(_scratch.PathOf("model"), _ => { }).Problems);
        Assert.Equal(SafetensorsDtype.F32, checkpoint.Model.Get("model.layers.0.mlp.down_proj.scales").Dtype);
    }

    [Fact]
    public void They_become_bfloat16_where_that_is_asked_for()
    {
        string path = Write(_ => { }, GgmlType.Q4_K, GgmlType.Q5_K, GgmlType.Q6_K);
        GgufImporter.Report report = GgufImporter.Import(
            path, _scratch.PathOf("model"), new ImportOptions { Inexact = SafetensorsDtype.BF16 });
        Assert.Equal(["3 tensors of Q6_K became BF16"], report.Inexact);
    }

    [Fact]
    public void A_scale_whose_bias_is_beyond_half_makes_the_scales_float()
    {
        string path = Write(_ => { }, GgmlType.Q8_0, GgmlType.Q8_0, GgmlType.Q8_0, scale: 1000);
        GgufImporter.Import(path, _scratch.PathOf("model"), new ImportOptions());
        using var model = SafetensorsModel.Open(_scratch.PathOf("model"));
        Assert.Equal(SafetensorsDtype.F32, model.Get("model.embed_tokens.biases").Dtype);
        GgufImporterTests.AssertSameValues(path, _scratch.PathOf("model"));
    }

    [Theory]
    [InlineData("llama.attention.head_count", 0u, "head_count")]
    [InlineData("llama.block_count", 2u, "blk.1.attn_norm.weight")]
    [InlineData("llama.feed_forward_length", 512u, "blk.0.ffn_gate.weight: expected [512, 256]")]
    [InlineData("llama.rope.dimension_count", 32u, "rope.dimension_count")]
    [InlineData("llama.expert_count", 8u, "expert_count")]
    [InlineData("general.architecture", "mamba", "expected one of llama")]
    [InlineData("general.alignment", 0u, "general.alignment")]
    [InlineData("tokenizer.ggml.model", "bert", "tokenizer.ggml.model: expected gpt2 or llama")]
    [InlineData("tokenizer.ggml.pre", "unheard-of", "tokenizer.ggml.pre")]
    [InlineData("tokenizer.ggml.bos_token_id", 40u, "bos_token_id: expected 0 to 39")]
    [InlineData("llama.rope.scaling.type", "spiral", "rope.scaling.type")]
    public void Metadata_that_contradicts_itself_is_refused_by_name(string key, object value, string expected)
    {
        string path = Write(metadata => metadata[key] = value, GgmlType.Q4_0, GgmlType.Q4_0, GgmlType.Q4_0);
        var e = Assert.Throws<GgufException>(() => GgufImporter.Import(path, _scratch.PathOf("model"), new ImportOptions()));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.Equal([path], Directory.GetFileSystemEntries(_scratch.Root));
    }

    [Fact]
    public void Sentencepiece_scores_become_merges()
    {
        string path = Write(
            metadata =>
            {
                metadata["tokenizer.ggml.model"] = "llama";
                metadata["tokenizer.ggml.tokens"] = (string[])["<unk>", "▁", "a", "b", "ab", "▁ab", .. Enumerable.Range(6, Vocab - 6).Select(i => $"<{i}>")];
                metadata["tokenizer.ggml.scores"] = (float[])[0, -4, -5, -6, -1, -2, .. Enumerable.Repeat(-9f, Vocab - 6)];
                metadata["tokenizer.ggml.token_type"] = (int[])[2, .. Enumerable.Repeat(1, Vocab - 1)];
            },
            GgmlType.F16, GgmlType.F16, GgmlType.F16);
        GgufImporter.Import(path, _scratch.PathOf("model"), new ImportOptions());
        var tokenizer = Exo.Model.Text.Tokenizer.Load(_scratch.PathOf("model"));
        Assert.Equal([5, 5, 2], tokenizer.Encode("ab aba"));
        Assert.Equal("ab aba", tokenizer.Decode([5, 5, 2]));
    }

    // One layer, hidden size 256 so that every block type fits; the types are those of attention, MLP and embedding.
    private string Write(
        Action<Dictionary<string, object>> change, GgmlType attention, GgmlType embedding, GgmlType mlp, float scale = 0.01f)
    {
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = "llama",
            ["llama.block_count"] = 1u,
            ["llama.context_length"] = 64u,
            ["llama.embedding_length"] = (uint)Hidden,
            ["llama.feed_forward_length"] = (uint)Hidden,
            ["llama.attention.head_count"] = 4u,
            ["llama.attention.head_count_kv"] = 2u,
            ["llama.attention.layer_norm_rms_epsilon"] = 1e-5f,
            ["tokenizer.ggml.model"] = "gpt2",
            ["tokenizer.ggml.pre"] = "smollm",
            ["tokenizer.ggml.tokens"] = Enumerable.Range(0, Vocab).Select(i => $"<{i}>").ToArray(),
            ["tokenizer.ggml.merges"] = Array.Empty<string>(),
            ["tokenizer.ggml.bos_token_id"] = 1u,
        };
        change(metadata);
        GgufWriter.Entry[] entries =
        [
            new("token_embd.weight", embedding, [Hidden, Vocab]), new("output_norm.weight", GgmlType.F32, [Hidden]),
            new("blk.0.attn_norm.weight", GgmlType.F32, [Hidden]), new("blk.0.ffn_norm.weight", GgmlType.F32, [Hidden]),
            new("blk.0.attn_q.weight", attention, [Hidden, Hidden]), new("blk.0.attn_k.weight", attention, [Hidden, Hidden / 2]),
            new("blk.0.attn_v.weight", mlp, [Hidden, Hidden / 2]), new("blk.0.attn_output.weight", attention, [Hidden, Hidden]),
            new("blk.0.ffn_gate.weight", mlp, [Hidden, Hidden]), new("blk.0.ffn_up.weight", mlp, [Hidden, Hidden]),
            new("blk.0.ffn_down.weight", attention, [Hidden, Hidden]),
        ];
        string path = _scratch.PathOf("mixed.gguf");
        using var writer = new GgufWriter(path, metadata, entries);
        var random = new Random(5);
        foreach (GgufWriter.Entry entry in entries) writer.Append(Blocks(entry, random, (Half)scale));
        writer.Finish();
        return path;
    }

    private static byte[] Blocks(GgufWriter.Entry entry, Random random, Half scale)
    {
        byte[] bytes = new byte[entry.ByteLength];
        random.NextBytes(bytes);
        int blockBytes = entry.Type.Block().Bytes;
        for (int at = 0; at < bytes.Length; at += blockBytes)
        {
            Span<byte> block = bytes.AsSpan(at, blockBytes);
            switch (entry.Type)
            {
                case GgmlType.F32: BitConverter.TryWriteBytes(block, 1f); break;
                case GgmlType.F16: BitConverter.TryWriteBytes(block, scale); break;
                case GgmlType.Q6_K: BitConverter.TryWriteBytes(block[208..], scale); break;
                default:
                    BitConverter.TryWriteBytes(block, scale);
                    if (entry.Type is GgmlType.Q4_K or GgmlType.Q5_K) BitConverter.TryWriteBytes(block[2..], scale);
                    break;
            }
        }
        return bytes;
    }
}
