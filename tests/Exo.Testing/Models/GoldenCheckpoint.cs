using Exo.Model.Weights;

namespace Exo.Testing;

/// <summary>Reference outputs of a tiny checkpoint, made with Hugging Face transformers in float32.</summary>
public sealed record GoldenCheckpoint(string Folder, int[] InputIds, float[][] Logits, int GreedyPromptLength, int[] GreedyIds)
{
    /// <summary>Reads tests/golden/checkpoints/NAME.</summary>
    public static GoldenCheckpoint Load(string name)
    {
        string folder = Path.Combine(SharedFolder.Golden, "checkpoints", name);
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "golden.safetensors"));
        int[] ids = Ints(file, "input_ids");
        float[] logits = HostTensor.ReadFloats(file.Get("logits"));
        return new GoldenCheckpoint(
            folder, ids, [.. logits.Chunk(logits.Length / ids.Length)], Ints(file, "greedy_prompt_length")[0], Ints(file, "greedy_ids"));
    }

    /// <summary>Largest difference of any logit, as a share of the reference's standard deviation.</summary>
    public double Distance(IReadOnlyList<float[]> ours)
    {
        double[] all = [.. Logits.SelectMany(row => row).Select(value => (double)value)];
        double mean = all.Average(), std = Math.Sqrt(all.Average(value => (value - mean) * (value - mean)));
        double largest = 0;
        for (int t = 0; t < Logits.Length; t++)
            for (int i = 0; i < Logits[t].Length; i++) largest = Math.Max(largest, Math.Abs(ours[t][i] - Logits[t][i]));
        return largest / std;
    }

    private static int[] Ints(SafetensorsFile file, string name) => [.. HostTensor.ReadInts(file.Get(name)).Select(value => (int)value)];
}
