using System.Text.Json;
using Exo.Testing;
using Xunit;

namespace Exo.Host.Tests;

public class BenchTests
{
    [Fact]
    public async Task Json_has_a_row_for_every_test_with_speed_share_and_circumstances()
    {
        ExoProcess exo = await ExoProcess.RunAsync("bench", Golden("mlx-4bit"), "--tests", "pp20,tg4,tg3@d17,tg2x3", "-r", "2", "--threads", "2", "--json");
        Assert.True(exo.ExitCode == 0, exo.Error);
        using var document = JsonDocument.Parse(exo.Output);
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        Assert.Equal(["pp20", "tg4", "tg3@d17", "tg2x3"], rows.Select(row => row.GetProperty("test").GetString()));
        foreach (JsonElement row in rows)
        {
            Assert.True(row.GetProperty("tokensPerSecond").GetDouble() > 0);
            Assert.True(row.GetProperty("shareOfLimit").GetDouble() > 0);
            Assert.Equal(2, row.GetProperty("samples").GetArrayLength());
            Assert.Equal(2, row.GetProperty("threads").GetInt32());
            Assert.Contains("4-bit", row.GetProperty("weightFormat").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_step_behind_more_positions_reads_more_keys_and_values_and_the_same_weights()
    {
        ExoProcess exo = await ExoProcess.RunAsync("bench", Golden("llama-f32"), "--tests", "tg1@d8,tg1@d40", "-r", "1", "--json");
        Assert.True(exo.ExitCode == 0, exo.Error);
        using var document = JsonDocument.Parse(exo.Output);
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Golden("llama-f32"), "config.json")));
        int Size(string key) => config.RootElement.GetProperty(key).GetInt32();
        int headDim = config.RootElement.TryGetProperty("head_dim", out JsonElement own) ? own.GetInt32() : Size("hidden_size") / Size("num_attention_heads");
        int positionBytes = Size("num_hidden_layers") * Size("num_key_value_heads") * headDim * 2 * sizeof(short); // keys and values, float16
        Assert.Equal(32 * positionBytes, rows[1].GetProperty("bytes").GetDouble() - rows[0].GetProperty("bytes").GetDouble());
        Assert.Equal(rows[0].GetProperty("flops").GetDouble(), rows[1].GetProperty("flops").GetDouble());
    }

    [Fact]
    public async Task Profile_names_the_operations_on_standard_error()
    {
        ExoProcess exo = await ExoProcess.RunAsync("bench", Golden("qwen3-moe"), "--tests", "tg2", "-r", "1", "--profile");
        Assert.True(exo.ExitCode == 0, exo.Error);
        Assert.Contains("tg2", exo.Output, StringComparison.Ordinal);
        foreach (string operation in new[] { "ExpertMlp", "Attention", "RmsNorm" }) Assert.Contains(operation, exo.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pp")]
    [InlineData("tg0")]
    [InlineData("tg32@4096")]
    [InlineData("tg32x0")]
    [InlineData("tg99999999999")]
    [InlineData("pp512,,tg8")]
    public async Task Tests_that_cannot_be_read_are_refused_by_name(string tests)
    {
        ExoProcess exo = await ExoProcess.RunAsync("bench", Golden("llama-f32"), "--tests", tests);
        Assert.Equal(1, exo.ExitCode);
        Assert.Contains("--tests", exo.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", exo.Error, StringComparison.Ordinal);
    }

    private static string Golden(string name) => Path.Combine(SharedFolder.Golden, "checkpoints", name);
}
