using System.Text.Json;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.Testing;
using Exo.WeightsTools;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Import;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class GgufImporterTests : IDisposable
{
    private const string DefaultGguf = "SmolLM2-135M-Instruct.Q4_1.gguf";

    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [SharedTheory]
    [InlineData("f32", 0)]
    [InlineData("f16", 0)]
    [InlineData("bf16", 0)]
    [InlineData("q4_0", 4)]
    [InlineData("q4_1", 4)]
    [InlineData("q5_0", 8)]
    [InlineData("q5_1", 8)]
    [InlineData("q8_0", 8)]
    public void An_import_keeps_every_value_and_puts_rotated_rows_back(string type, int bits)
    {
        string path = SharedFolder.PathOf("golden", "gguf", $"tiny-llama-{type}.gguf");
        string output = _scratch.PathOf("model");
        GgufImporter.Report report = GgufImporter.Import(path, output, new ImportOptions());
        Assert.Empty(report.Inexact);
        Assert.Equal(bits == 0 ? 0 : 16, report.AffineTensors);
        AssertSameValues(path, output);
    }

    [SharedTheory]
    [InlineData("q4_1", ImportFormat.F32)]
    [InlineData("q8_0", ImportFormat.F32)]
    [InlineData("bf16", ImportFormat.BF16)]
    [InlineData("f16", ImportFormat.F32)]
    public void An_import_to_floats_keeps_every_value_that_the_type_holds(string type, ImportFormat format)
    {
        string path = SharedFolder.PathOf("golden", "gguf", $"tiny-llama-{type}.gguf");
        GgufImporter.Import(path, _scratch.PathOf("model"), new ImportOptions { Format = format });
        using var model = SafetensorsModel.Open(_scratch.PathOf("model"));
        Assert.All(model.Tensors, t => Assert.Equal(format.ToString(), t.Dtype.ToString()));
        AssertSameValues(path, _scratch.PathOf("model"), only2D: format == ImportFormat.BF16);
    }

    [SharedFact]
    public void The_bundled_model_has_every_value_of_its_source()
    {
        string path = SharedFolder.PathOf("models", "smollm2-135m-instruct", DefaultGguf);
        AssertSameValues(path, SharedFolder.DefaultModel);
        Assert.All(Directory.GetFiles(SharedFolder.DefaultModel), f => Assert.True(new FileInfo(f).Length < 50_000_000));
    }

    [SharedFact]
    public void Every_cut_of_a_file_is_refused_and_leaves_nothing()
    {
        byte[] bytes = File.ReadAllBytes(SharedFolder.PathOf("golden", "gguf", "tiny-llama-q4_0.gguf"));
        for (int length = 0; length < bytes.Length; length += length < 8000 ? 61 : 4999)
        {
            string path = _scratch.Write("cut.gguf", bytes.AsSpan(0, length));
            Assert.Throws<GgufException>(() => GgufImporter.Import(path, _scratch.PathOf("out"), new ImportOptions()));
            Assert.Equal([path], Directory.GetFileSystemEntries(_scratch.Root));
        }
    }

    [SharedFact]
    public void A_damaged_file_is_imported_or_refused_by_name()
    {
        byte[] good = File.ReadAllBytes(SharedFolder.PathOf("golden", "gguf", "tiny-llama-q4_0.gguf"));
        int refused = 0;
        for (int seed = 0; seed < 600; seed++)
        {
            var random = new Random(seed);
            byte[] bytes = (byte[])good.Clone();
            int headerBytes = seed % 2 == 0 ? 700 : 8192; // the first half: counts, keys and sizes; the second: also tensors' entries
            for (int i = 0; i < 1 + seed % 3; i++) bytes[random.Next(headerBytes)] = (byte)(random.Next(2) == 0 ? 255 : random.Next(256));
            string path = _scratch.Write("damaged.gguf", bytes);
            try
            {
                GgufImporter.Import(path, _scratch.PathOf("out"), new ImportOptions());
                SafetensorsModel.Open(_scratch.PathOf("out")).Dispose();
                Directory.Delete(_scratch.PathOf("out"), recursive: true);
            }
            catch (GgufException e)
            {
                refused++;
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            }
            Assert.Equal([path], Directory.GetFileSystemEntries(_scratch.Root));
        }
        Assert.InRange(refused, 100, 599);
    }

    [SharedFact]
    public void A_folder_that_holds_something_is_not_overwritten()
    {
        _scratch.Write("mine.txt", [1]);
        string path = SharedFolder.PathOf("golden", "gguf", "tiny-llama-q4_0.gguf");
        Assert.Throws<WeightsToolException>(() => GgufImporter.Import(path, _scratch.Root, new ImportOptions()));
        Assert.Equal([_scratch.PathOf("mine.txt")], Directory.GetFileSystemEntries(_scratch.Root));
    }

    /// <summary>Every value of a checkpoint of the llama kind against its GGUF source, the rows of q and k in their places.</summary>
    internal static void AssertSameValues(string ggufPath, string folder, bool only2D = false)
    {
        using GgufFile file = GgufFile.Open(ggufPath);
        using var model = SafetensorsModel.Open(folder);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        CheckpointShape shape = CheckpointShape.Read("config.json", config.RootElement);
        foreach (GgufTensor source in file.Tensors)
        {
            if (only2D && source.Rows == 1) continue;
            string name = HuggingFaceName(source.Name);
            bool rotated = name.EndsWith("q_proj.weight", StringComparison.Ordinal) || name.EndsWith("k_proj.weight", StringComparison.Ordinal);
            byte[] row = new byte[source.RowBytes];
            float[] expected = new float[source.Columns], values = new float[source.Columns];
            AffineTensor? affine = OpenAffine(model, config.RootElement, name);
            for (long r = 0; r < source.Rows; r++)
            {
                long sourceRow = r;
                if (rotated) // first halves of the pairs, then the second ones, from pairs side by side
                    sourceRow = r / shape.HeadDim * shape.HeadDim + r % (shape.HeadDim / 2) * 2 + r % shape.HeadDim / (shape.HeadDim / 2);
                file.ReadRows(source, sourceRow, row);
                GgmlBlocks.Dequantize(source.Type, row, expected);
                if (affine is not null) affine.DequantizeRow(r, values);
                else HostTensor.ReadFloats(model.Get(name), r * source.Columns, values);
                if (!expected.AsSpan().SequenceEqual(values)) Assert.Fail($"{name}: row {r} differs");
            }
        }
        Assert.Equal(shape.Tensors().Select(t => t.Name).Order(), file.Tensors.Select(t => HuggingFaceName(t.Name)).Order());
    }

    private static AffineTensor? OpenAffine(SafetensorsModel model, JsonElement config, string name)
    {
        string module = name[..name.LastIndexOf('.')];
        if (!AffineTensor.Exists(model, module)) return null;
        JsonElement quantization = config.GetProperty("quantization");
        if (quantization.TryGetProperty(module, out JsonElement own)) quantization = own;
        return AffineTensor.Open(model, module, new AffineFormat(quantization.GetProperty("bits").GetInt32(), quantization.GetProperty("group_size").GetInt32()));
    }

    private static string HuggingFaceName(string name)
    {
        foreach ((string gguf, string huggingFace) in new[]
        {
            ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("blk.", "model.layers."), ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"), ("attn_output", "self_attn.o_proj"), ("attn_q", "self_attn.q_proj"),
            ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"), ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"),
            ("ffn_down", "mlp.down_proj"),
        })
        {
            name = name.Replace(gguf, huggingFace, StringComparison.Ordinal);
        }
        return name.StartsWith("output.", StringComparison.Ordinal) ? "lm_head." + name["output.".Length..] : name;
    }
}
