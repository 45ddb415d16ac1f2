using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Exo.Tidy.Tests;

/// <summary>How long a file and a function may be, and which are longer for a reason.</summary>
internal static class SizeRules
{
    private const int MaxFileLines = 500, MaxFunctionLines = 70;
    private const long MaxFileBytes = 50L << 20;

    /// <summary>Longer files, each with its reason.</summary>
    private static readonly Dictionary<string, string> s_longFiles = new(StringComparer.Ordinal);

    /// <summary>Longer functions as "path: name", each with its reason.</summary>
    private static readonly Dictionary<string, string> s_longFunctions = new(StringComparer.Ordinal);

    public static IEnumerable<string> Files(SourceTree tree) => Files(tree, s_longFiles);

    public static IEnumerable<string> Functions(SourceTree tree) => Functions(tree, s_longFunctions);

    public static IEnumerable<string> Bytes(SourceTree tree) =>
        tree.Files.Where(file => file.Bytes > MaxFileBytes).Select(file => $"{file.Path}: {file.Bytes} bytes");

    public static IEnumerable<string> Files(SourceTree tree, Dictionary<string, string> reasons)
    {
        var unused = reasons.Keys.ToHashSet();
        foreach (SourceFile file in tree.CSharp)
        {
            int lines = file.Text.AsSpan().Count('\n');
            if (lines > MaxFileLines && !unused.Remove(file.Path)) yield return $"{file.Path}: {lines} lines, at most {MaxFileLines}";
        }

        foreach (string path in unused) yield return $"{path}: listed as a long file, and is none";
    }

    public static IEnumerable<string> Functions(SourceTree tree, Dictionary<string, string> reasons)
    {
        var unused = reasons.Keys.ToHashSet();
        foreach (SourceFile file in tree.CSharp)
        {
            foreach ((SyntaxNode body, string name) in file.Root.DescendantNodes().Select(Function).Where(function => function.Name.Length > 0))
            {
                FileLinePositionSpan span = body.SyntaxTree.GetLineSpan(body.Span);
                int lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
                string key = $"{file.Path}: {name}";
                if (lines > MaxFunctionLines && !unused.Remove(key)) yield return file.At(body, $"{name} has {lines} lines, at most {MaxFunctionLines}");
            }
        }

        foreach (string key in unused) yield return $"{key}: listed as a long function, and is none";
    }

    private static (SyntaxNode Body, string Name) Function(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method => (node, method.Identifier.Text),
        ConstructorDeclarationSyntax constructor => (node, constructor.Identifier.Text),
        LocalFunctionStatementSyntax local => (node, local.Identifier.Text),
        OperatorDeclarationSyntax @operator => (node, "operator " + @operator.OperatorToken.Text),
        ConversionOperatorDeclarationSyntax conversion => (node, "operator " + conversion.Type),
        DestructorDeclarationSyntax destructor => (node, "~" + destructor.Identifier.Text),
        PropertyDeclarationSyntax property => (node, property.Identifier.Text),
        IndexerDeclarationSyntax => (node, "this[]"),
        _ => (node, ""),
    };
}
