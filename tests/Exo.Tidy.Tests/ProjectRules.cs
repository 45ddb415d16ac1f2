using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Exo.Tidy.Tests;

/// <summary>Packages, projects, the solution, the README's map, and the form of text files.</summary>
internal static partial class ProjectRules
{
    private const string Packages = "Directory.Packages.props", Solution = "ExoManaged.sln", Readme = "README.md";

    /// <summary>A comment with the reason stands before each version, or before the group that it belongs to.</summary>
    public static IEnumerable<string> PackagesHaveReasons(SourceTree tree)
    {
        foreach (XElement package in PackageVersions(tree))
        {
            XNode? before = package.PreviousNode;
            while (before is XElement { Name.LocalName: "PackageVersion" } || before is XText) before = before.PreviousNode;
            if (before is not XComment { Value.Length: > 20 }) yield return $"{package.Attribute("Include")!.Value}: no reason in a comment before it";
        }
    }

    public static IEnumerable<string> PackagesAreUsed(SourceTree tree)
    {
        var used = tree.Files.Where(file => file.IsProject).SelectMany(file => XDocument.Parse(file.Text).Descendants("PackageReference"))
            .Select(reference => (string?)reference.Attribute("Include")).ToHashSet();
        return PackageVersions(tree).Select(package => package.Attribute("Include")!.Value).Where(name => !used.Contains(name))
            .Select(name => $"{name}: no project uses it");
    }

    public static IEnumerable<string> ProjectsAreInTheSolution(SourceTree tree)
    {
        string solution = tree.Find(Solution)?.Text ?? "";
        var listed = ProjectInSolution().Matches(solution).Select(match => match.Groups[1].Value.Replace('\\', '/')).ToHashSet();
        foreach (SourceFile project in tree.Files.Where(file => file.IsProject))
            if (!listed.Remove(project.Path)) yield return $"{project.Path}: not in {Solution}";
        foreach (string missing in listed) yield return $"{missing}: in {Solution}, and is no file";
    }

    public static IEnumerable<string> ProjectsHaveSource(SourceTree tree) => tree.Files.Where(file => file.IsProject)
        .Where(project => !tree.CSharp.Any(file => file.IsIn(Path.GetDirectoryName(project.Path)!.Replace('\\', '/')) && file.Text.Length > 0))
        .Select(project => $"{project.Path}: a project without source");

    /// <summary>Each folder of src is in the README's map, with its own name and a slash.</summary>
    public static IEnumerable<string> ReadmeMapsSource(SourceTree tree)
    {
        string readme = tree.Find(Readme)?.Text ?? "";
        var folders = tree.CSharp.Where(file => file.IsIn("src")).Select(file => file.Path.Split('/')[..^1])
            .SelectMany(parts => parts.Length > 2 ? new[] { parts[1], parts[2] } : [parts[1]]).Distinct();
        return folders.Where(folder => !Regex.IsMatch(readme, $@"(?<![\w.]){Regex.Escape(folder)}/")).Select(folder => $"{Readme}: {folder}/ is not in the map");
    }

    public static IEnumerable<string> TextIsClean(SourceTree tree)
    {
        foreach (SourceFile file in tree.Files.Where(file => file.Text.Length > 0 && !file.IsImported))
        {
            if (!file.Text.EndsWith('\n')) yield return $"{file.Path}: no newline at its end";
            if (file.Text.Contains('\r')) yield return $"{file.Path}: a carriage return";
            string[] lines = file.Text.Split('\n');
            for (int i = 0; i < lines.Length; i++)
            {
                if (lines[i].EndsWith(' ')) yield return $"{file.Path}({i + 1}): space at the line's end";
                if (lines[i].Contains('\t') && !file.Path.EndsWith(".sln", StringComparison.Ordinal)) yield return $"{file.Path}({i + 1}): a tab";
            }
        }
    }

    private static IEnumerable<XElement> PackageVersions(SourceTree tree) =>
        tree.Find(Packages) is SourceFile file ? XDocument.Parse(file.Text).Descendants("PackageVersion") : [];

    [GeneratedRegex("\"([^\"]+\\.csproj)\"")]
    private static partial Regex ProjectInSolution();
}
