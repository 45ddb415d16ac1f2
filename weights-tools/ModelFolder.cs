namespace Exo.WeightsTools;

/// <summary>MODEL on the command line: a folder, or the name of a bundled model.</summary>
internal static class ModelFolder
{
    private const string BundledFolder = "weights-tools";

    /// <summary>The folder that MODEL means.</summary>
    /// <exception cref="WeightsToolException">There is no such folder and no bundled model of that name.</exception>
    public static string Resolve(string model)
    {
        if (Directory.Exists(model)) return model;
        if (model.AsSpan().IndexOfAny('/', '\\') < 0)
        {
            for (string? at = AppContext.BaseDirectory; at is not null; at = Path.GetDirectoryName(at))
            {
                string bundled = Path.Combine(at, BundledFolder, model);
                if (File.Exists(Path.Combine(bundled, "config.json"))) return bundled;
            }
        }
        throw new WeightsToolException($"{model}: expected a folder or the name of a bundled model");
    }
}
