using Xunit;

namespace Exo.Tidy.Tests;

public class SizeTests
{
    private static readonly Dictionary<string, string> s_none = [];

    [Fact]
    public void No_file_has_more_than_500_lines() => RuleAssert.Holds(SizeRules.Files);

    [Fact]
    public void No_function_has_more_than_70_lines() => RuleAssert.Holds(SizeRules.Functions);

    [Fact]
    public void No_file_is_larger_than_50_MB() => RuleAssert.Holds(SizeRules.Bytes);

    [Fact]
    public void Long_file_is_found() => RuleAssert.Finds(tree => SizeRules.Files(tree, s_none), "src/A.cs", new string('\n', 501));

    [Fact]
    public void File_of_500_lines_is_allowed() => RuleAssert.Allows(tree => SizeRules.Files(tree, s_none), "src/A.cs", new string('\n', 500));

    [Theory]
    [InlineData("class C { void M() {", "} }")]
    [InlineData("class C { C() {", "} }")]
    [InlineData("class C { int P { get {", "return 1; } } }")]
    [InlineData("class C { int P =>", "1; }")]
    [InlineData("void Local() {", "}")]
    public void Long_function_is_found(string start, string end) =>
        RuleAssert.Finds(tree => SizeRules.Functions(tree, s_none), "src/A.cs", start + new string('\n', 70) + end);

    [Fact]
    public void Function_of_70_lines_is_allowed() =>
        RuleAssert.Allows(tree => SizeRules.Functions(tree, s_none), "src/A.cs", "class C { void M() {" + new string('\n', 69) + "} }");

    [Fact]
    public void Listed_exception_is_allowed_and_a_stale_one_is_found()
    {
        var reasons = new Dictionary<string, string> { ["src/A.cs: M"] = "a table" };
        RuleAssert.Allows(tree => SizeRules.Functions(tree, reasons), "src/A.cs", "class C { void M() {" + new string('\n', 90) + "} }");
        RuleAssert.Finds(tree => SizeRules.Functions(tree, reasons), "src/A.cs", "class C { void M() { } }");
        RuleAssert.Finds(tree => SizeRules.Files(tree, new() { ["src/A.cs"] = "a table" }), "src/A.cs", "class C { }");
    }

    [Fact]
    public void Large_file_is_found() => Assert.NotEmpty(SizeRules.Bytes(new SourceTree([new SourceFile("model.safetensors", 60L << 20, "")])));
}
