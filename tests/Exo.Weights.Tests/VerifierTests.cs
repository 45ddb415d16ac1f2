using Exo.Testing;
using Exo.WeightsTools.Synth;
using Exo.WeightsTools.Verify;
using Xunit;

namespace Exo.Weights.Tests;

public sealed class VerifierTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Nothing_is_wrong_with_the_bundled_model()
    {
        Verification verification = Verifier.Verify(SharedFolder.DefaultModel, _ => { });
        Assert.Empty(verification.Problems);
        Assert.Empty(verification.Notes);
        Assert.Contains(verification.Hashes, h => h.Name == "config.json" && h.Sha256.Length == 64);
    }

    [SharedFact]
    public void Nothing_is_wrong_with_any_golden_checkpoint()
    {
        foreach (string folder in Directory.GetDirectories(SharedFolder.PathOf("golden", "checkpoints")))
            Assert.Empty(Verifier.Verify(folder, _ => { }).Problems);
    }

    [Theory]
    [InlineData("\"hidden_size\": 576", "\"hidden_size\": 544", "expected shape")]
    [InlineData("\"num_hidden_layers\": 30", "\"num_hidden_layers\": 31", "no such tensor")]
    [InlineData("\"vocab_size\": 49152", "\"vocab_size\": 0", "vocab_size")]
    [InlineData("\"bits\": 8", "\"bits\": 7", "expected 2, 3, 4, 5, 6 or 8 bits")]
    [InlineData("{", "[", "expected a JSON object")]
    public void A_config_that_does_not_fit_is_reported(string old, string wrong, string expected)
    {
        string folder = Copy();
        string config = File.ReadAllText(Path.Combine(folder, "config.json"));
        Assert.Contains(old, config, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.Replace(old, wrong, StringComparison.Ordinal));
        Assert.Contains(Verifier.Verify(folder, _ => { }).Problems, p => p.Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void Values_that_are_not_finite_are_counted_and_named()
    {
        string folder = _scratch.PathOf("synth");
        SynthModel.Write(
            SynthShapes.Get("smollm2-135m") with { VocabSize = 64, NumHiddenLayers = 1 }, SynthFormat.BF16, 1, folder, (_, work) => work(_ => { }));
        using (FileStream file = File.OpenWrite(Path.Combine(folder, "model.safetensors")))
        {
            file.Seek(-4, SeekOrigin.End);
            file.Write([0x80, 0x7f, 0xc0, 0xff]); // infinity and a NaN, at the end of the last tensor
        }
        Assert.Contains(Verifier.Verify(folder, _ => { }).Problems, p => p.Contains("model.norm.weight: 2 of 576 values are not finite", StringComparison.Ordinal));
    }

    // The bundled model under another config: the weights are linked, not copied.
    private string Copy()
    {
        string folder = _scratch.PathOf("copy");
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(SharedFolder.DefaultModel))
        {
            string target = Path.Combine(folder, Path.GetFileName(file));
            if (file.EndsWith(".safetensors", StringComparison.Ordinal)) File.CreateSymbolicLink(target, file);
            else File.Copy(file, target);
        }
        return folder;
    }
}
