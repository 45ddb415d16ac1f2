using System.Text.Json;
using Exo.Model.Weights;

namespace Exo.WeightsTools.Verify;

/// <summary>All that can be said about a checkpoint without running it.</summary>
/// <param name="Hashes">Name and SHA-256 of every file in the folder.</param>
/// <param name="Problems">What is wrong, a line each.</param>
/// <param name="Notes">What could not be checked, and why.</param>
public sealed record Verification(
    IReadOnlyList<(string Name, string Sha256)> Hashes, IReadOnlyList<string> Problems, IReadOnlyList<string> Notes);

public static class Verifier
{
    public static Verification Verify(string folder, Action<long> progress)
    {
        var problems = new List<string>();
        var notes = new List<string>();
        string[] files = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)];
        var hashes = new List<(string, string)>();
        foreach (string file in files) hashes.Add((Path.GetFileName(file), FileHashes.Sha256(file, progress)));
        try
        {
            using Checkpoint checkpoint = Checkpoint.Open(folder);
            CheckShapes(checkpoint, problems, notes);
            foreach (TensorView tensor in checkpoint.Model.Tensors)
            {
                long count = FiniteCheck.CountNonFinite(tensor);
                if (count > 0) problems.Add($"{tensor.FileName}: {tensor.Name}: {count} of {tensor.NumElements} values are not finite");
                progress(tensor.ByteLength);
            }
        }
        catch (Exception e) when (e is SafetensorsException or WeightsToolException)
        {
            problems.Add(e.Message);
        }
        return new Verification(hashes, problems, notes);
    }

    private static void CheckShapes(Checkpoint checkpoint, List<string> problems, List<string> notes)
    {
        string modelType = checkpoint.Config.TryGetProperty("model_type", out JsonElement type) ? type.ToString() : "";
        if (!CheckpointShape.IsKnownFamily(modelType))
        {
            notes.Add($"shapes were not compared with the config: model_type '{modelType}' is not known to this command");
            return;
        }
        if (OtherQuantization(checkpoint.Config) is string method)
        {
            notes.Add($"shapes were not compared with the config: the quantization '{method}' is not known to this command");
            return;
        }
        CheckpointShape shape = CheckpointShape.Read(checkpoint.ConfigPath, checkpoint.Config);
        problems.AddRange(ShapeCheck.Run(checkpoint, shape));
    }

    // The name of a quantization other than affine groups, or null.
    private static string? OtherQuantization(JsonElement config)
    {
        foreach ((string part, string key) in new[] { ("quantization_config", "quant_method"), ("quantization", "mode") })
        {
            if (config.TryGetProperty(part, out JsonElement quantization) && quantization.ValueKind == JsonValueKind.Object
                && quantization.TryGetProperty(key, out JsonElement name) && name.ToString() != "affine")
            {
                return name.ToString();
            }
        }
        return null;
    }
}
