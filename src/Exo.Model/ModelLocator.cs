namespace Exo.Model;

/// <summary>
/// Finds the folder of a model that is named on a command line: a folder itself, else a name among the bundled models, else in the
/// model cache (EXO_MODELS, by default ~/.cache/exo/models).
/// </summary>
public static class ModelLocator
{
    /// <summary>The model that needs no download.</summary>
    public const string DefaultModel = "smollm2-135m-instruct";

    private const string BundleFolder = "weights-tools";

    /// <summary>The folder of <paramref name="model"/>.</summary>
    /// <exception cref="ModelException">Lists where it was looked for.</exception>
    public static string Find(string model)
    {
        if (string.IsNullOrWhiteSpace(model) || model.Contains('\0', StringComparison.Ordinal))
            throw new ModelException($"'{model.Replace('\0', '?')}': expected the name of a model, or a folder");
        var tried = new List<string>();
        foreach (string folder in Candidates(model))
        {
            if (File.Exists(Path.Combine(folder, "config.json"))) return folder;
            tried.Add(folder);
        }
        throw new ModelException($"{model}: no model found; a model is a folder with a config.json; looked in {string.Join(", ", tried)}");
    }

    private static IEnumerable<string> Candidates(string model)
    {
        yield return Path.GetFullPath(model);
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string bundled = Path.Combine(folder, BundleFolder, model);
            if (Directory.Exists(bundled)) yield return bundled;
        }
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string cache = Environment.GetEnvironmentVariable("EXO_MODELS") ?? Path.Combine(home, ".cache", "exo", "models");
        yield return Path.Combine(cache, model);
    }
}
