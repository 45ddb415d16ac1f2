using Xunit;

namespace Exo.Host.Tests;

public class CommandLineTests
{
    [Fact]
    public async Task Help_names_every_command()
    {
        ExoProcess exo = await ExoProcess.RunAsync("--help");
        Assert.Equal(0, exo.ExitCode);
        Assert.Contains("run", exo.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_model_ends_with_an_error_that_names_it_and_an_empty_output()
    {
        ExoProcess exo = await ExoProcess.RunAsync("run", "hello", "--model", "no-such-model");
        Assert.NotEqual(0, exo.ExitCode);
        Assert.Empty(exo.Output);
        Assert.Contains("no-such-model", exo.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", exo.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Option_of_the_wrong_type_is_refused_by_name()
    {
        ExoProcess exo = await ExoProcess.RunAsync("run", "hello", "--top-k", "many");
        Assert.NotEqual(0, exo.ExitCode);
        Assert.Contains("--top-k", exo.Error, StringComparison.Ordinal);
    }
}
