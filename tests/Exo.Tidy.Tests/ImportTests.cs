using Xunit;

namespace Exo.Tidy.Tests;

public class ImportTests
{
    private const string Kernels = "src/Exo.Kernels/Sample.cs", Model = "src/Exo.Model/Sample.cs", Wire = "src/Exo.Net/Wire/Sample.cs";

    [Fact]
    public void Projects_reference_only_those_before_them_in_the_chain() => RuleAssert.Holds(ImportRules.ChainByProjects);

    [Fact]
    public void Code_names_only_namespaces_before_its_own_in_the_chain() => RuleAssert.Holds(ImportRules.ChainByNames);

    [Fact]
    public void Kernels_name_no_json_logging_or_sockets() => RuleAssert.Holds(ImportRules.KernelsNameNoJsonLoggingOrSockets);

    [Fact]
    public void Model_names_no_socket_web_type_or_concrete_device() => RuleAssert.Holds(ImportRules.ModelNamesNoSocketWebTypeOrDevice);

    [Fact]
    public void Wire_and_transport_know_bytes_alone() => RuleAssert.Holds(ImportRules.WireAndTransportKnowBytesAlone);

    [Fact]
    public void Ilgpu_is_named_only_in_kernels_gpu() => RuleAssert.Holds(ImportRules.IlgpuOnlyInKernelsGpu);

    [Fact]
    public void Native_calls_stand_only_where_they_belong() => RuleAssert.Holds(ImportRules.NativeCallsOnlyWhereTheyBelong);

    [Fact]
    public void Unsafe_code_stands_only_where_it_belongs() => RuleAssert.Holds(ImportRules.UnsafeOnlyWhereItBelongs);

    [Theory]
    [InlineData("src/Exo.Kernels/Exo.Kernels.csproj", "../Exo.Model/Exo.Model.csproj")]
    [InlineData("src/Exo.Net/Exo.Net.csproj", "../Exo.Host/Exo.Host.csproj")]
    [InlineData("src/Exo.Model/Exo.Model.csproj", "../../tests/Exo.Testing/Exo.Testing.csproj")]
    public void Chain_broken_by_a_project_is_found(string project, string reference) => RuleAssert.Finds(
        ImportRules.ChainByProjects, project, $"<Project><ItemGroup><ProjectReference Include=\"{reference}\" /></ItemGroup></Project>");

    [Theory]
    [InlineData(Kernels, "using Exo.Model;")]
    [InlineData(Kernels, "class C { Exo.Net.Wire.Frame f; }")]
    [InlineData(Kernels, "using static Exo.Host.Program;")]
    [InlineData(Model, "using Exo.Net.Wire;")]
    [InlineData(Model, "class C { int x = Exo.Net.Sizes.Max; }")]
    public void Chain_broken_by_a_name_is_found(string path, string code) => RuleAssert.Finds(ImportRules.ChainByNames, path, code);

    [Theory]
    [InlineData(Model, "using Exo.Kernels; namespace Exo.Model.Sample; class C { Exo.Kernels.Device d; }")]
    [InlineData(Kernels, "/* using Exo.Model; */ // Exo.Net.X\nclass C { string s = \"Exo.Net.X\"; }")]
    public void Names_before_in_the_chain_and_comments_are_allowed(string path, string code) => RuleAssert.Allows(ImportRules.ChainByNames, path, code);

    [Theory]
    [InlineData("using System.Text.Json;")]
    [InlineData("class C { System.Net.IPAddress a; }")]
    [InlineData("class C { object o = new HttpClient(); }")]
    [InlineData("class C { ILogger<C> log; }")]
    public void Json_logging_or_sockets_in_kernels_are_found(string code) =>
        RuleAssert.Finds(ImportRules.KernelsNameNoJsonLoggingOrSockets, Kernels, code);

    [Theory]
    [InlineData("using System.Net.Sockets;")]
    [InlineData("class C { object d = new CpuDevice(); }")]
    [InlineData("using Exo.Kernels.Reference;")]
    [InlineData("class C { void M(HttpContext c) { } }")]
    public void Socket_web_type_or_device_in_model_is_found(string code) =>
        RuleAssert.Finds(ImportRules.ModelNamesNoSocketWebTypeOrDevice, Model, code);

    [Theory]
    [InlineData(Wire, "using Exo.Kernels;")]
    [InlineData("src/Exo.Net/Transport/Sample.cs", "using Exo.Model.Parallel;")]
    [InlineData(Wire, "class C { Tensor t; }")]
    public void More_than_bytes_in_wire_or_transport_is_found(string path, string code) =>
        RuleAssert.Finds(ImportRules.WireAndTransportKnowBytesAlone, path, code);

    [Fact]
    public void Ilgpu_elsewhere_is_found() => RuleAssert.Finds(ImportRules.IlgpuOnlyInKernelsGpu, "src/Exo.Kernels/Cpu/Sample.cs", "using ILGPU;");

    [Theory]
    [InlineData("class C { [System.Runtime.InteropServices.DllImport(\"c\")] static extern int f(); }")]
    [InlineData("class C { [LibraryImport(\"c\")] static partial int f(); }")]
    [InlineData("class C { object o = NativeLibrary.Load(\"x\"); }")]
    public void Native_call_elsewhere_is_found(string code) =>
        RuleAssert.Finds(ImportRules.NativeCallsOnlyWhereTheyBelong, "src/Exo.Model/Weights/Sample.cs", code);

    [Theory]
    [InlineData("class C { unsafe void M() { } }")]
    [InlineData("class C { void M() { unsafe { } } }")]
    public void Unsafe_code_elsewhere_is_found(string code) => RuleAssert.Finds(ImportRules.UnsafeOnlyWhereItBelongs, "src/Exo.Model/Text/Sample.cs", code);
}
