using Xunit;

namespace Exo.Tidy.Tests;

public class LeftoverTests
{
    [Fact]
    public void No_work_is_left_unfinished() => RuleAssert.Holds(LeftoverRules.UnfinishedWork);

    [Fact]
    public void No_test_is_skipped_for_good() => RuleAssert.Holds(LeftoverRules.SkippedTests);

    [Fact]
    public void No_library_prints() => RuleAssert.Holds(LeftoverRules.PrintsInLibraries);

    [Fact]
    public void No_path_of_one_machine_is_in_the_code() => RuleAssert.Holds(LeftoverRules.PathsOfOneMachine);

    [Theory]
    [InlineData("src/A.cs", "// TODO: later")]
    [InlineData("README.md", "FIXME")]
    [InlineData("src/A.cs", "class C { void M() => throw new NotImplementedException(); }")]
    public void Unfinished_work_is_found(string path, string text) => RuleAssert.Finds(LeftoverRules.UnfinishedWork, path, text);

    [Fact]
    public void Skipped_test_is_found() => RuleAssert.Finds(LeftoverRules.SkippedTests, "tests/A.cs", "class C { [Fact(Skip = \"slow\")] void M() { } }");

    [Fact]
    public void Print_in_a_library_is_found() =>
        RuleAssert.Finds(LeftoverRules.PrintsInLibraries, "src/Exo.Model/A.cs", "class C { void M() { Console.WriteLine(1); } }");

    [Fact]
    public void Print_in_a_program_is_allowed() =>
        RuleAssert.Allows(LeftoverRules.PrintsInLibraries, "src/Exo.Host/A.cs", "class C { void M() { Console.WriteLine(1); } }");

    [Theory]
    [InlineData("src/A.cs", "class C { string s = \"/tmp/x\"; }")]
    [InlineData("src/A.cs", "class C { string s = $\"/" + "root/{1}\"; }")]
    [InlineData(".ci/run", "cd /" + "work/main")]
    [InlineData("README.md", "see /home/me")]
    public void Path_of_one_machine_is_found(string path, string text) => RuleAssert.Finds(LeftoverRules.PathsOfOneMachine, path, text);

    [Theory]
    [InlineData("src/A.cs", "class C { string s = \"/proc/meminfo\" + \"https://x.org/home/a\"; } // \"/tmp/x\"")]
    [InlineData("README.md", "~/tmp/x and ./work/x")]
    public void Other_paths_are_allowed(string path, string text) => RuleAssert.Allows(LeftoverRules.PathsOfOneMachine, path, text);
}
