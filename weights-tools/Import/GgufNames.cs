using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>Where a checkpoint's tensor lies in a GGUF file.</summary>
/// <param name="Name">The tensor's name there.</param>
/// <param name="Expert">Which expert of a stack, or -1.</param>
/// <param name="RotatedHeads">
/// Heads whose rows are reordered: files of the `llama` kind put the two halves of a rotated pair side by side. 0 for the others.
/// </param>
internal readonly record struct GgufName(string Name, int Expert, int RotatedHeads);

/// <summary>Hugging Face's tensor names, and GGUF's.</summary>
internal static class GgufNames
{
    private static readonly Dictionary<string, string> _inLayer = new(StringComparer.Ordinal)
    {
        ["input_layernorm"] = "attn_norm",
        ["self_attn.q_proj"] = "attn_q",
        ["self_attn.k_proj"] = "attn_k",
        ["self_attn.v_proj"] = "attn_v",
        ["self_attn.o_proj"] = "attn_output",
        ["self_attn.q_norm"] = "attn_q_norm",
        ["self_attn.k_norm"] = "attn_k_norm",
        ["post_attention_layernorm"] = "ffn_norm",
        ["mlp.gate_proj"] = "ffn_gate",
        ["mlp.up_proj"] = "ffn_up",
        ["mlp.down_proj"] = "ffn_down",
        ["mlp.gate"] = "ffn_gate_inp",
        ["mlp.experts.gate_proj"] = "ffn_gate_exps",
        ["mlp.experts.up_proj"] = "ffn_up_exps",
        ["mlp.experts.down_proj"] = "ffn_down_exps",
    };

    /// <summary>The place of one of <see cref="CheckpointShape.Tensors"/>.</summary>
    public static GgufName Of(string name, CheckpointShape shape)
    {
        int dot = name.LastIndexOf('.');
        string module = name[..dot], suffix = name[dot..]; // ".weight" or ".bias"
        switch (module)
        {
            case "model.embed_tokens": return new GgufName("token_embd" + suffix, -1, 0);
            case "model.norm": return new GgufName("output_norm" + suffix, -1, 0);
            case "lm_head": return new GgufName("output" + suffix, -1, 0);
        }
        string[] parts = module.Split('.', 4); // model.layers.N.rest
        string rest = parts[3];
        int expert = -1;
        if (rest.StartsWith("mlp.experts.", StringComparison.Ordinal))
        {
            string[] inExpert = rest.Split('.'); // mlp.experts.E.gate_proj
            expert = int.Parse(inExpert[2]);
            rest = $"mlp.experts.{inExpert[3]}";
        }
        bool rotated = shape.ModelType is "llama" or "mistral";
        int heads = rest switch
        {
            "self_attn.q_proj" when rotated => shape.NumAttentionHeads,
            "self_attn.k_proj" when rotated => shape.NumKeyValueHeads,
            _ => 0,
        };
        return new GgufName($"blk.{parts[2]}.{_inLayer[rest]}{suffix}", expert, heads);
    }
}

/// <summary>
/// The order of rotated rows. Hugging Face's head holds the first halves of all pairs, then the second ones; GGUF's holds pair after
/// pair (convert_hf_to_gguf.py, LlamaModel.permute).
/// </summary>
internal static class RotatedRows
{
    /// <summary>The row of the GGUF tensor that is Hugging Face's row `row`, in heads of headDim rows.</summary>
    public static long ToGguf(long row, int headDim)
    {
        long head = row / headDim, inHead = row % headDim;
        long half = inHead / (headDim / 2), pair = inHead % (headDim / 2);
        return head * headDim + 2 * pair + half;
    }

    /// <summary>The inverse: Hugging Face's row that is GGUF's row `row`.</summary>
    public static long FromGguf(long row, int headDim)
    {
        long head = row / headDim, inHead = row % headDim;
        return head * headDim + inHead % 2 * (headDim / 2) + inHead / 2;
    }
}
