using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Exo.Tidy.Tests;

/// <summary>Who may name whom: the import chain, and where JSON, sockets, devices and the operating system may be named.</summary>
internal static class ImportRules
{
    // Each knows those before it, and no other.
    private static readonly string[] s_chain = ["Exo.Kernels", "Exo.Model", "Exo.Net", "Exo.Host"];

    public static IEnumerable<string> ChainByProjects(SourceTree tree)
    {
        foreach (SourceFile project in tree.Files.Where(file => file.IsProject && file.IsIn("src")))
        {
            int own = Array.IndexOf(s_chain, Path.GetFileNameWithoutExtension(project.Path));
            if (own < 0) yield return $"{project.Path}: not one of {string.Join(", ", s_chain)}";
            foreach (XElement reference in XDocument.Parse(project.Text).Descendants("ProjectReference"))
            {
                string other = Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!);
                if (Array.IndexOf(s_chain, other) is int at && (at < 0 || at >= own)) yield return $"{project.Path}: references {other}";
            }
        }
    }

    public static IEnumerable<string> ChainByNames(SourceTree tree)
    {
        for (int own = 0; own < s_chain.Length; own++)
        {
            string[] later = s_chain[(own + 1)..];
            foreach (string found in NamesIn(tree, $"src/{s_chain[own]}", later)) yield return found;
        }
    }

    public static IEnumerable<string> KernelsNameNoJsonLoggingOrSockets(SourceTree tree) => NamesIn(
        tree, "src/Exo.Kernels", "System.Text.Json", "System.Net", "Microsoft.Extensions", "System.IO.Pipes",
        "HttpClient", "Socket", "ILogger", "JsonSerializer", "JsonNode", "JsonDocument");

    public static IEnumerable<string> ModelNamesNoSocketWebTypeOrDevice(SourceTree tree) => NamesIn(
        tree, "src/Exo.Model", "System.Net", "System.IO.Pipes", "Microsoft.AspNetCore", "HttpClient", "Socket", "HttpContext",
        "CpuDevice", "ReferenceDevice", "IlgpuDevice", "MetalDevice", "Exo.Kernels.Cpu", "Exo.Kernels.Reference", "Exo.Kernels.Gpu",
        "Exo.Kernels.Metal");

    public static IEnumerable<string> WireAndTransportKnowBytesAlone(SourceTree tree) =>
        new[] { "src/Exo.Net/Wire", "src/Exo.Net/Transport" }.SelectMany(folder => NamesIn(
            tree, folder, "Exo.Kernels", "Exo.Model", "Exo.Net.Collectives", "Exo.Net.Cluster", "Exo.Net.Placement", "System.Text.Json", "Tensor"));

    public static IEnumerable<string> IlgpuOnlyInKernelsGpu(SourceTree tree) =>
        tree.CSharp.Where(file => file.IsIn("src", "weights-tools") && !file.IsIn("src/Exo.Kernels/Gpu")).SelectMany(file => NamesIn(file, "ILGPU"));

    public static IEnumerable<string> NativeCallsOnlyWhereTheyBelong(SourceTree tree)
    {
        string[] homes = ["src/Exo.Kernels/Cpu", "src/Exo.Kernels/Gpu", "src/Exo.Kernels/Metal", "src/Exo.Net/Transport", "tests", "bench"];
        return tree.CSharp.Where(file => !file.IsIn(homes)).SelectMany(file => NamesIn(file, "DllImport", "LibraryImport", "NativeLibrary"));
    }

    public static IEnumerable<string> UnsafeOnlyWhereItBelongs(SourceTree tree)
    {
        string[] homes = ["src/Exo.Kernels", "src/Exo.Model/Weights", "src/Exo.Net/Wire", "src/Exo.Net/Transport", "tests", "bench"];
        return tree.CSharp.Where(file => !file.IsIn(homes)).SelectMany(file => file.Root.DescendantTokens()
            .Where(token => token.IsKind(SyntaxKind.UnsafeKeyword) || token.IsKind(SyntaxKind.StackAllocKeyword) && InPointer(token))
            .Select(token => file.At(token, "unsafe code")));
    }

    private static bool InPointer(SyntaxToken token) => token.Parent!.Ancestors().OfType<VariableDeclarationSyntax>().FirstOrDefault()?.Type is PointerTypeSyntax;

    private static IEnumerable<string> NamesIn(SourceTree tree, string folder, params string[] forbidden) =>
        tree.CSharp.Where(file => file.IsIn(folder)).SelectMany(file => NamesIn(file, forbidden));

    /// <summary>Where a file's code (not its comments) names one of these: a namespace with dots, or a single identifier.</summary>
    private static IEnumerable<string> NamesIn(SourceFile file, params string[] forbidden)
    {
        foreach (SyntaxNode node in file.Root.DescendantNodes())
        {
            if (node.Parent is QualifiedNameSyntax or MemberAccessExpressionSyntax { Parent: MemberAccessExpressionSyntax } && node is not IdentifierNameSyntax)
                continue;
            string? name = node switch
            {
                IdentifierNameSyntax or GenericNameSyntax => ((SimpleNameSyntax)node).Identifier.Text,
                QualifiedNameSyntax or MemberAccessExpressionSyntax when !node.ToString().Contains('(') => node.ToString(),
                _ => null,
            };
            if (name is null || node.Ancestors().Any(ancestor => ancestor is BaseNamespaceDeclarationSyntax space && space.Name.Span.Contains(node.Span)))
                continue;
            foreach (string word in forbidden)
            {
                bool found = name == word || name == word + "Attribute" || (word.Contains('.') && name.StartsWith(word + ".", StringComparison.Ordinal));
                if (found) yield return file.At(node, $"names {name}");
            }
        }
    }
}
