using System.Text.Json.Nodes;
using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Synth;

/// <summary>Makes a random model: a whole checkpoint folder, tokenizer included, that says nothing but runs like a real one.</summary>
public static class SynthModel
{
    private const long MaxShardBytes = 4_000_000_000;
    private const int MaxPositions = 8192;

    public static void Write(
        CheckpointShape shape, SynthFormat format, ulong seed, string output, Action<long, Action<Action<long>>> progress)
    {
        using var folder = new OutputFolder(output);
        ConfigFiles.WriteJson(folder.PathOf("config.json"), Config(shape, format));
        ConfigFiles.WriteJson(folder.PathOf("generation_config.json"), new JsonObject { ["bos_token_id"] = 0, ["eos_token_id"] = 0 });
        ByteTokenizer.Write(folder);
        (string Name, long[] Shape)[] tensors = [.. shape.Tensors()];
        TensorSpec[] specs = [.. tensors.SelectMany(t => SynthWriter.Specs(format, t.Name, t.Shape))];
        using var writer = new ShardedSafetensorsWriter(
            folder.Partial, specs, MaxShardBytes, new Dictionary<string, string> { ["format"] = format == SynthFormat.BF16 ? "pt" : "mlx" });
        var synth = new SynthWriter(writer, format, seed);
        progress(tensors.Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b)), report =>
        {
            foreach ((string name, long[] tensorShape) in tensors) synth.Write(name, tensorShape, report);
        });
        writer.Finish();
        folder.Keep();
    }

    private static JsonObject Config(CheckpointShape shape, SynthFormat format)
    {
        JsonObject config = ConfigFiles.Sizes(shape);
        config["rms_norm_eps"] = 1e-5;
        config["hidden_act"] = "silu";
        config["max_position_embeddings"] = MaxPositions;
        config["rope_theta"] = 10000.0;
        if (shape.NumExperts > 0)
        {
            config["num_experts_per_tok"] = SynthShapes.ExpertsPerToken;
            config["norm_topk_prob"] = true;
        }
        config["bos_token_id"] = 0;
        config["eos_token_id"] = 0;
        config["torch_dtype"] = "bfloat16";
        if (SynthWriter.AffineOf(format) is AffineFormat affine)
        {
            JsonObject quantization = ConfigFiles.FormatNode(affine);
            foreach ((string name, long[] tensorShape) in shape.Tensors())
            {
                if (tensorShape.Length == 2 && !SynthWriter.IsQuantized(format, name, tensorShape)) quantization[name[..^".weight".Length]] = false;
            }
            config["quantization"] = quantization;
            config["quantization_config"] = quantization.DeepClone();
        }
        return config;
    }
}
