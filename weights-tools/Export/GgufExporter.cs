using System.Text.Json;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Export;

/// <summary>Makes a GGUF file that llama.cpp loads from a checkpoint folder: weights with the same values, tokenizer, chat template.</summary>
public static class GgufExporter
{
    private static readonly Dictionary<string, string> _architectures = new(StringComparer.Ordinal)
    {
        ["llama"] = "llama",
        ["mistral"] = "llama",
        ["qwen2"] = "qwen2",
        ["qwen3"] = "qwen3",
        ["qwen3_moe"] = "qwen3moe",
    };

    // general.file_type (llama.h, enum llama_ftype), by the type of most bytes.
    private static readonly Dictionary<GgmlType, uint> _fileTypes = new()
    {
        [GgmlType.F32] = 0,
        [GgmlType.F16] = 1,
        [GgmlType.Q4_0] = 2,
        [GgmlType.Q4_1] = 3,
        [GgmlType.Q8_0] = 7,
        [GgmlType.BF16] = 32,
    };

    /// <summary>Exports a folder into a new file.</summary>
    /// <returns>Tensors that no block type holds, and became float32: a line each.</returns>
    /// <exception cref="WeightsToolException">The model is of a kind that cannot be exported.</exception>
    public static IReadOnlyList<string> Export(string folder, string path, Action<long, Action<Action<long>>> progress)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        CheckpointShape shape = CheckpointShape.Read(checkpoint.ConfigPath, checkpoint.Config);
        if (shape.MlpOnlyLayers.Count > 0)
            throw new WeightsToolException($"{checkpoint.ConfigPath}: dense layers among experts cannot be exported");
        List<ExportTensor> tensors =
        [
            .. shape.Tensors()
                .GroupBy(t => GgufNames.Of(t.Name, shape).Name)
                .Select(group => ExportTensor.Plan(checkpoint, shape, group.Key, [.. group])),
        ];
        Dictionary<string, object> metadata = Metadata(checkpoint, shape, tensors);
        if (RopeMetadata.Add(metadata, _architectures[shape.ModelType], checkpoint, shape) is ExportTensor factors) tensors.Add(factors);
        TokenizerMetadata.Add(metadata, folder, shape.VocabSize, checkpoint.Config);
        using var writer = new GgufWriter(path, metadata, [.. tensors.Select(t => t.Entry)]);
        progress(tensors.Sum(t => t.Entry.ByteLength), report =>
        {
            foreach (ExportTensor tensor in tensors) tensor.Write(writer, report);
        });
        writer.Finish();
        return [.. tensors.Select(t => t.Note).OfType<string>()];
    }

    private static Dictionary<string, object> Metadata(Checkpoint checkpoint, CheckpointShape shape, List<ExportTensor> tensors)
    {
        string architecture = _architectures[shape.ModelType];
        GgmlType commonest = tensors.GroupBy(t => t.Entry.Type).MaxBy(g => g.Sum(t => t.Entry.ByteLength))!.Key;
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = architecture,
            ["general.type"] = "model",
            ["general.name"] = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint.Folder))),
            ["general.file_type"] = _fileTypes[commonest],
            ["general.quantization_version"] = 2u,
            [$"{architecture}.block_count"] = (uint)shape.NumHiddenLayers,
            [$"{architecture}.context_length"] = (uint)Number(checkpoint, "max_position_embeddings", 2048),
            [$"{architecture}.embedding_length"] = (uint)shape.HiddenSize,
            [$"{architecture}.feed_forward_length"] = (uint)shape.IntermediateSize,
            [$"{architecture}.attention.head_count"] = (uint)shape.NumAttentionHeads,
            [$"{architecture}.attention.head_count_kv"] = (uint)shape.NumKeyValueHeads,
            [$"{architecture}.attention.key_length"] = (uint)shape.HeadDim,
            [$"{architecture}.attention.value_length"] = (uint)shape.HeadDim,
            [$"{architecture}.attention.layer_norm_rms_epsilon"] = (float)Number(checkpoint, "rms_norm_eps", 1e-6),
            [$"{architecture}.rope.dimension_count"] = (uint)shape.HeadDim,
            [$"{architecture}.vocab_size"] = (uint)shape.VocabSize,
        };
        if (shape.NumExperts > 0)
        {
            metadata[$"{architecture}.expert_count"] = (uint)shape.NumExperts;
            metadata[$"{architecture}.expert_used_count"] = (uint)Number(checkpoint, "num_experts_per_tok", 8);
            metadata[$"{architecture}.expert_feed_forward_length"] = (uint)shape.MoeIntermediateSize;
        }
        return metadata;
    }

    private static double Number(Checkpoint checkpoint, string key, double missing) =>
        checkpoint.PositiveNumber(checkpoint.Config, key) ?? missing;
}
