using System.Text.Json.Nodes;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>How positions are stretched: GGUF's keys, and config.json's `rope_scaling`.</summary>
internal static class RopeScaling
{
    private const double LowFrequencyFactor = 1;
    private const double HighFrequencyFactor = 4;
    private const int UsualOriginalLength = 8192;

    /// <summary>The `rope_scaling` object; null for none.</summary>
    /// <exception cref="GgufException">A kind that cannot be imported.</exception>
    public static JsonObject? Read(GgufModel model)
    {
        GgufMetadata metadata = model.File.Metadata;
        if (model.File.TryGet(ImportPlan.RopeFactorsName, out GgufTensor factors)) return Llama3(model, factors);
        string type = metadata.Get(model.Key("rope.scaling.type"), "none");
        if (type == "none") return null;
        if (type is not ("linear" or "yarn"))
            throw new GgufException(model.File.Path, $"{model.Key("rope.scaling.type")}: expected none, linear or yarn, got '{type}'");
        var scaling = new JsonObject { ["rope_type"] = type, ["factor"] = metadata.Get<float>(model.Key("rope.scaling.factor")) };
        if (type == "yarn")
            scaling["original_max_position_embeddings"] = metadata.GetInt(model.Key("rope.scaling.original_context_length"), 1, int.MaxValue);
        return scaling;
    }

    /// <summary>
    /// The divisors of llama3's scaling, [headDim / 2]: 1 for wavelengths below length / high, `factor` above length / low, and a
    /// blend between (Hugging Face's modeling_rope_utils.py, _compute_llama3_parameters).
    /// </summary>
    public static float[] Llama3Factors(int headDim, double theta, double factor, double low, double high, int originalLength)
    {
        float[] factors = new float[headDim / 2];
        for (int i = 0; i < factors.Length; i++)
        {
            double wavelength = 2 * Math.PI * Math.Pow(theta, 2.0 * i / headDim);
            double smooth = Math.Clamp((originalLength / wavelength - low) / (high - low), 0, 1);
            factors[i] = (float)(1 / ((1 - smooth) / factor + smooth));
        }
        return factors;
    }

    // The file keeps only the divisors. Every published llama3 model uses the same two constants: check that they explain them.
    private static JsonObject Llama3(GgufModel model, GgufTensor tensor)
    {
        int headDim = model.Shape.HeadDim;
        if (tensor.Type != GgmlType.F32 || tensor.Sizes.Count != 1 || tensor.Columns != headDim / 2)
        {
            throw new GgufException(
                model.File.Path, $"{tensor.Name}: expected F32 [{headDim / 2}], got {tensor.Type} [{string.Join(", ", tensor.Shape)}]");
        }
        byte[] row = new byte[tensor.RowBytes];
        model.File.ReadRows(tensor, 0, row);
        float[] found = new float[headDim / 2];
        GgmlBlocks.Dequantize(tensor.Type, row, found);
        float factor = found.Max();
        int originalLength = OriginalLength(found, model.RopeTheta, factor);
        float[] expected = Llama3Factors(headDim, model.RopeTheta, factor, LowFrequencyFactor, HighFrequencyFactor, originalLength);
        for (int i = 0; i < found.Length; i++)
        {
            if (!(Math.Abs(found[i] - expected[i]) <= 1e-4 * expected[i]))
                throw new GgufException(model.File.Path, $"{tensor.Name}: element {i} is {found[i]}, but llama3's scaling gives {expected[i]}");
        }
        return new JsonObject
        {
            ["rope_type"] = "llama3",
            ["factor"] = factor,
            ["low_freq_factor"] = LowFrequencyFactor,
            ["high_freq_factor"] = HighFrequencyFactor,
            ["original_max_position_embeddings"] = originalLength,
        };
    }

    // From a divisor between 1 and the factor: there the blend says how long the wave is beside the original length.
    private static int OriginalLength(float[] factors, double theta, double factor)
    {
        for (int i = 0; i < factors.Length; i++)
        {
            if (!(factors[i] > 1.001 && factors[i] < 0.999 * factor)) continue;
            double smooth = (1.0 / factors[i] - 1 / factor) / (1 - 1 / factor);
            double wavelength = 2 * Math.PI * Math.Pow(theta, (double)i / factors.Length);
            double length = wavelength * (LowFrequencyFactor + smooth * (HighFrequencyFactor - LowFrequencyFactor));
            return (int)Math.Clamp(Math.Round(length), 1, int.MaxValue);
        }
        return UsualOriginalLength;
    }
}
