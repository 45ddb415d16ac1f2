using Xunit;

namespace Exo.Testing;

/// <summary>
/// The folder `shared` that lies beside the checkout on some machines: reference outputs and models too large or not ours to keep
/// in the repository. Tests that need it are skipped, visibly, where it is not there.
/// </summary>
public static class SharedFolder
{
    /// <summary>The root of the checkout (the folder that holds ExoManaged.sln).</summary>
    public static string RepositoryRoot { get; } = FindRepositoryRoot();

    /// <summary>Golden files that are kept in the repository.</summary>
    public static string Golden => Path.Combine(RepositoryRoot, "tests", "golden");

    /// <summary>The bundled default model.</summary>
    public static string DefaultModel => Path.Combine(RepositoryRoot, "weights-tools", "smollm2-135m-instruct");

    private static string Root { get; } = Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared"));

    /// <summary>True where the folder exists.</summary>
    public static bool Exists => Directory.Exists(Root);

    /// <summary>A path inside the folder.</summary>
    public static string PathOf(params ReadOnlySpan<string> parts)
    {
        string path = Root;
        foreach (string part in parts) path = Path.Combine(path, part);
        return path;
    }

    private static string FindRepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "ExoManaged.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"ExoManaged.sln: not found above {AppContext.BaseDirectory}");
    }
}

/// <summary>A fact that needs the folder `../shared`.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute()
    {
        if (!SharedFolder.Exists) Skip = "needs ../shared";
    }
}

/// <summary>A theory that needs the folder `../shared`.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute()
    {
        if (!SharedFolder.Exists) Skip = "needs ../shared";
    }
}
