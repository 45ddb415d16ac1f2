using Xunit;

namespace Exo.Tidy.Tests;

/// <summary>A rule of the house: what breaks it in a tree, one line each.</summary>
public delegate IEnumerable<string> Rule(SourceTree tree);

/// <summary>Every rule is held against the repository, and against a sample that it must find fault with.</summary>
internal static class RuleAssert
{
    public static void Holds(Rule rule)
    {
        Assert.True(SourceTree.Repository.Files.Count > 100, "the repository's files were not found");
        string[] violations = [.. rule(SourceTree.Repository)];
        Assert.True(violations.Length == 0, $"{violations.Length} violations:\n{string.Join('\n', violations)}");
    }

    /// <summary>The rule finds fault with this one file.</summary>
    public static void Finds(Rule rule, string path, string text) => Assert.NotEmpty(rule(SourceTree.Of((path, text))));

    public static void Finds(Rule rule, params (string Path, string Text)[] files) => Assert.NotEmpty(rule(SourceTree.Of(files)));

    /// <summary>The rule finds no fault with this one file.</summary>
    public static void Allows(Rule rule, string path, string text) => Assert.Empty(rule(SourceTree.Of((path, text))));
}
