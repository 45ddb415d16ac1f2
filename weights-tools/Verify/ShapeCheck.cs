using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;

namespace Exo.WeightsTools.Verify;

/// <summary>Compares a checkpoint's tensors with those that its config calls for.</summary>
internal static class ShapeCheck
{
    /// <summary>What is missing or has another shape; each a line for a person.</summary>
    public static List<string> Run(Checkpoint checkpoint, CheckpointShape shape)
    {
        var problems = new List<string>();
        foreach ((string name, long[] expected) in shape.Tensors())
        {
            try
            {
                Check(checkpoint, shape, name, expected);
            }
            catch (SafetensorsException e)
            {
                problems.Add(e.Message);
            }
        }
        return problems;
    }

    private static void Check(Checkpoint checkpoint, CheckpointShape shape, string name, long[] expected)
    {
        const string Experts = ".mlp.experts.";
        int at = name.IndexOf(Experts, StringComparison.Ordinal);
        if (at >= 0 && !checkpoint.Model.Contains(name))
        {
            // MLX stacks the experts of a layer: [experts, rows, columns].
            name = name[..at] + ".mlp.switch_mlp" + name[name.IndexOf('.', at + Experts.Length)..];
            expected = [shape.NumExperts, .. expected];
        }
        string module = name[..name.LastIndexOf('.')];
        AffineTensor? affine = name.EndsWith(".weight", StringComparison.Ordinal) ? checkpoint.OpenAffine(module) : null;
        if (affine is null)
        {
            checkpoint.Model.Get(name).Expect(expected);
            return;
        }
        long[] packed = [.. expected.SkipLast(1), expected[^1] * affine.Format.Bits / 32];
        affine.Weight.Expect(packed);
    }
}
