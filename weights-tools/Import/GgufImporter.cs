using Exo.Model.Weights;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>Makes a checkpoint folder from a GGUF file: weights, config, tokenizer and chat template.</summary>
public static class GgufImporter
{
    /// <summary>What was done, for the person who asked.</summary>
    /// <param name="AffineTensors">Tensors that became affine groups.</param>
    /// <param name="Inexact">For each block type that no affine group equals: how many tensors, and what they became.</param>
    public sealed record Report(int Tensors, int AffineTensors, IReadOnlyList<string> Inexact);

    /// <summary>Imports a file into a new folder, which is there afterwards whole or not at all.</summary>
    /// <exception cref="GgufException">The file is damaged, or of a kind that cannot be imported.</exception>
    public static Report Import(string path, string output, ImportOptions options, Action<long, Action<Action<long>>>? progress = null)
    {
        using GgufFile file = GgufFile.Open(path);
        GgufModel model = GgufModel.Read(file);
        ImportPlan plan = ImportPlan.Make(model, options);
        using var folder = new OutputFolder(output);
        ConfigFiles.Write(folder, model, plan);
        TokenizerFiles.Write(folder, file);
        long total = plan.Tensors.Sum(t => t.NumRows * t.Source.RowBytes);
        if (progress is null) WriteWeights(folder, file, plan, options, _ => { });
        else progress(total, report => WriteWeights(folder, file, plan, options, report));
        folder.Keep();
        return new Report(plan.Tensors.Count, plan.Tensors.Count(t => t.Affine is not null), Inexact(plan));
    }

    private static void WriteWeights(OutputFolder folder, GgufFile file, ImportPlan plan, ImportOptions options, Action<long> progress)
    {
        List<TensorSpec> specs = [.. plan.Tensors.SelectMany(t => t.Specs())];
        string format = plan.Tensors.Any(t => t.Affine is not null) ? "mlx" : "pt"; // whose layout it is
        using var writer = new ShardedSafetensorsWriter(
            folder.Partial, specs, options.MaxShardBytes, new Dictionary<string, string> { ["format"] = format });
        var importer = new TensorImporter(file, writer, progress);
        foreach (TensorPlan tensor in plan.Tensors) importer.Import(tensor);
        writer.Finish();
    }

    private static List<string> Inexact(ImportPlan plan) =>
    [
        .. plan.Tensors
            .Where(t => t.Affine is null && GgmlBlocks.GroupSize(t.Source.Type) > 0)
            .GroupBy(t => (t.Source.Type, t.FloatType))
            .Select(g => $"{g.Count()} tensors of {g.Key.Type} became {g.Key.FloatType}"),
    ];
}
