using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Exo.Tidy.Tests;

/// <summary>What is left lying about: unfinished work, skipped tests, prints, paths of one machine.</summary>
internal static partial class LeftoverRules
{
    // These tests name what they look for.
    private const string Here = "tests/Exo.Tidy.Tests";

    public static IEnumerable<string> UnfinishedWork(SourceTree tree) => tree.Files.Where(file => !file.IsIn(Here) && !file.IsImported).SelectMany(file =>
        Unfinished().Matches(file.Text).Select(match => $"{file.Path}({LineOf(file, match.Index)}): {match.Value}"));

    public static IEnumerable<string> SkippedTests(SourceTree tree) => tree.CSharp.SelectMany(file => file.Root.DescendantNodes()
        .OfType<AttributeArgumentSyntax>()
        .Where(argument => argument.NameEquals?.Name.Identifier.Text is "Skip" or "Explicit")
        .Select(argument => file.At(argument, "a test that never runs")));

    /// <summary>Only programs print: libraries return, throw or log.</summary>
    public static IEnumerable<string> PrintsInLibraries(SourceTree tree) =>
        tree.CSharp.Where(file => file.IsIn("src", "tests") && !file.IsIn("src/Exo.Host")).SelectMany(file => file.Root.DescendantNodes()
            .OfType<MemberAccessExpressionSyntax>()
            .Where(access => access.Expression.ToString() is "Console" or "System.Console" or "Debugger"
                && access.Name.Identifier.Text is "Write" or "WriteLine" or "ReadLine" or "Break" or "Launch")
            .Where(access => !IsProgram(file, access))
            .Select(access => file.At(access, $"{access} in a library")));

    // A worker that a test starts as a process of its own speaks through its standard streams.
    private static bool IsProgram(SourceFile file, SyntaxNode node) => file.IsIn("tests")
        && node.Ancestors().Any(around => around is GlobalStatementSyntax or MethodDeclarationSyntax { Identifier.Text: "Main" });

    public static IEnumerable<string> PathsOfOneMachine(SourceTree tree)
    {
        foreach (SourceFile file in tree.Files.Where(file => !file.IsIn(Here) && !file.IsImported))
        {
            if (!file.IsCSharp)
            {
                foreach (Match match in MachinePath().Matches(file.Text)) yield return $"{file.Path}({LineOf(file, match.Index)}): {match.Value}";
                continue;
            }

            foreach (SyntaxToken token in file.Root.DescendantTokens().Where(IsText))
                if (MachinePath().IsMatch(token.Text)) yield return file.At(token, $"a path of one machine: {token.Text}");
        }
    }

    private static bool IsText(SyntaxToken token) => token.Kind() is SyntaxKind.StringLiteralToken or SyntaxKind.InterpolatedStringTextToken
        or SyntaxKind.SingleLineRawStringLiteralToken or SyntaxKind.MultiLineRawStringLiteralToken or SyntaxKind.Utf8StringLiteralToken;

    private static int LineOf(SourceFile file, int index) => file.Text.AsSpan(0, index).Count('\n') + 1;

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|\bNotImplementedException\b")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"(?<![\w.~)}/])/(tmp|work|root|home|Users)/\w*|\b[A-Z]:\\\\?Users\b")]
    private static partial Regex MachinePath();
}
