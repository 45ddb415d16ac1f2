using System.ComponentModel;
using System.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Exo.Tidy.Tests;

/// <summary>One file: its path from the root with '/', its size in bytes, and its text (empty for what is not text).</summary>
public sealed record SourceFile(string Path, long Bytes, string Text)
{
    private readonly Lazy<SyntaxNode> _root = new(() => CSharpSyntaxTree.ParseText(Text).GetRoot());

    public bool IsCSharp => Path.EndsWith(".cs", StringComparison.Ordinal);

    public bool IsProject => Path.EndsWith(".csproj", StringComparison.Ordinal);

    /// <summary>Reference outputs and models: as their makers wrote them.</summary>
    public bool IsImported => IsIn("tests/golden") || (Path.Split('/') is ["weights-tools", _, _] && Path.EndsWith(".json", StringComparison.Ordinal));

    /// <summary>The file as C#.</summary>
    public SyntaxNode Root => _root.Value;

    public bool IsIn(params ReadOnlySpan<string> folders)
    {
        foreach (string folder in folders)
            if (Path.StartsWith(folder + "/", StringComparison.Ordinal)) return true;
        return false;
    }

    /// <summary>A violation at a piece of this file.</summary>
    public string At(SyntaxNodeOrToken piece, string what) => $"{Path}({piece.GetLocation()!.GetLineSpan().StartLinePosition.Line + 1}): {what}";
}

/// <summary>The files that the rules look at: the repository, or a small sample that breaks a rule.</summary>
public sealed class SourceTree(IReadOnlyList<SourceFile> files)
{
    private static readonly string[] s_textEndings =
    [
        ".cs", ".csproj", ".props", ".targets", ".sln", ".json", ".md", ".yml", ".yaml", ".sh", ".py", ".js", ".mjs", ".html", ".css",
        ".metal", ".razor", ".editorconfig", ".gitattributes", ".gitignore", ".ci/run",
    ];

    private static readonly string[] s_builtFolders = ["bin", "obj", ".git", "node_modules", "TestResults", "BenchmarkDotNet.Artifacts", ".vs"];

    /// <summary>The repository that this test was built from.</summary>
    public static SourceTree Repository { get; } = Load(RepositoryRoot());

    public IReadOnlyList<SourceFile> Files => files;

    public IEnumerable<SourceFile> CSharp => files.Where(file => file.IsCSharp);

    public SourceFile? Find(string path) => files.FirstOrDefault(file => file.Path == path);

    /// <summary>A tree of the given files.</summary>
    public static SourceTree Of(params (string Path, string Text)[] files) =>
        new([.. files.Select(file => new SourceFile(file.Path, file.Text.Length, file.Text))]);

    private static SourceTree Load(string root)
    {
        var files = new List<SourceFile>();
        foreach (string path in ListedByGit(root) ?? Walked(root))
        {
            string file = Path.Combine(root, path);
            if (!File.Exists(file)) continue;
            bool isText = s_textEndings.Any(ending => path.EndsWith(ending, StringComparison.Ordinal));
            files.Add(new SourceFile(path, new FileInfo(file).Length, isText ? File.ReadAllText(file) : ""));
        }

        return new SourceTree(files);
    }

    private static string RepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "ExoManaged.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException($"ExoManaged.sln: not found above {AppContext.BaseDirectory}");
    }

    /// <summary>What is or could be committed; null where there is no git, or no repository.</summary>
    private static string[]? ListedByGit(string root)
    {
        try
        {
            var start = new ProcessStartInfo("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            {
                WorkingDirectory = root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            using Process git = Process.Start(start)!;
            git.ErrorDataReceived += (_, _) => { };
            git.BeginErrorReadLine();
            string list = git.StandardOutput.ReadToEnd();
            if (!git.WaitForExit(TimeSpan.FromMinutes(1)) || git.ExitCode != 0) return null;
            return [.. list.Split('\0', StringSplitOptions.RemoveEmptyEntries).Distinct()];
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static IEnumerable<string> Walked(string root) => Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'))
        .Where(path => !path.Split('/').Any(part => s_builtFolders.Contains(part)));
}
