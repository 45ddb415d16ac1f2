using Xunit;

namespace Exo.Tidy.Tests;

public class ProjectTests
{
    private const string Package = "<PackageVersion Include=\"A\" Version=\"1.0.0\" />";

    [Fact]
    public void Every_package_version_has_a_reason() => RuleAssert.Holds(ProjectRules.PackagesHaveReasons);

    [Fact]
    public void Every_package_version_is_used() => RuleAssert.Holds(ProjectRules.PackagesAreUsed);

    [Fact]
    public void Every_project_is_in_the_solution() => RuleAssert.Holds(ProjectRules.ProjectsAreInTheSolution);

    [Fact]
    public void Every_project_has_source() => RuleAssert.Holds(ProjectRules.ProjectsHaveSource);

    [Fact]
    public void Readme_maps_every_folder_of_src() => RuleAssert.Holds(ProjectRules.ReadmeMapsSource);

    [Fact]
    public void Text_has_no_tabs_no_spaces_at_line_ends_and_a_last_newline() => RuleAssert.Holds(ProjectRules.TextIsClean);

    [Theory]
    [InlineData($"<Project><ItemGroup>{Package}</ItemGroup></Project>")]
    [InlineData($"<Project><ItemGroup><!-- short -->{Package}</ItemGroup></Project>")]
    public void Package_without_a_reason_is_found(string text) => RuleAssert.Finds(ProjectRules.PackagesHaveReasons, "Directory.Packages.props", text);

    [Fact]
    public void Package_with_a_reason_is_allowed() => RuleAssert.Allows(
        ProjectRules.PackagesHaveReasons, "Directory.Packages.props", $"<Project><ItemGroup><!-- Net: what it is good for. -->{Package}</ItemGroup></Project>");

    [Fact]
    public void Unused_package_is_found() => RuleAssert.Finds(
        ProjectRules.PackagesAreUsed,
        ("Directory.Packages.props", $"<Project><ItemGroup>{Package}</ItemGroup></Project>"),
        ("src/B/B.csproj", "<Project><ItemGroup><PackageReference Include=\"C\" /></ItemGroup></Project>"));

    [Fact]
    public void Project_outside_the_solution_is_found() => RuleAssert.Finds(
        ProjectRules.ProjectsAreInTheSolution, ("ExoManaged.sln", ""), ("src/B/B.csproj", "<Project />"));

    [Fact]
    public void Project_that_is_no_file_is_found() => RuleAssert.Finds(
        ProjectRules.ProjectsAreInTheSolution, "ExoManaged.sln", "Project(\"{1}\") = \"B\", \"src\\B\\B.csproj\", \"{2}\"");

    [Fact]
    public void Project_without_source_is_found() => RuleAssert.Finds(
        ProjectRules.ProjectsHaveSource, ("src/B/B.csproj", "<Project />"), ("src/C/C.cs", "class C;"));

    [Fact]
    public void Folder_missing_from_the_map_is_found() => RuleAssert.Finds(
        ProjectRules.ReadmeMapsSource, ("README.md", "src/Exo.Kernels/ SuperCpu/"), ("src/Exo.Kernels/Cpu/A.cs", "class A;"));

    [Theory]
    [InlineData("no newline")]
    [InlineData("a \n")]
    [InlineData("\ta\n")]
    [InlineData("a\r\n")]
    public void Untidy_text_is_found(string text) => RuleAssert.Finds(ProjectRules.TextIsClean, "src/A.cs", text);
}
