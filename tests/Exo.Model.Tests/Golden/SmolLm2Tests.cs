using System.Text.Json;
using System.Text.Json.Nodes;
using Exo.Kernels;
using Exo.Model.Text;
using Exo.Model.Weights;
using Exo.Testing;
using Xunit;

namespace Exo.Model.Tests.Golden;

/// <summary>The bundled model, imported from GGUF, beside Hugging Face's float32 outputs of the same weights.</summary>
public sealed class SmolLm2Tests : IClassFixture<SmolLm2Tests.Models>
{
    private readonly Models _models;

    public SmolLm2Tests(Models models) => _models = models;

    public static TheoryData<string> Prompts =>
        [.. GreedyCases().Select(item => item["name"]!.GetValue<string>())];

    [Theory, MemberData(nameof(Prompts))]
    public void Dequantized_greedy_continuation_is_the_references(string name)
    {
        JsonNode item = GreedyCases().Single(node => node["name"]!.GetValue<string>() == name);
        int[] expected = Ints(item["greedy_ids"]!);
        Assert.Equal(expected, _models.Exact.Greedy(Ints(item["prompt_ids"]!), expected.Length));
    }

    [Fact]
    public void Dequantized_logits_are_within_tolerance_of_the_reference()
    {
        using SafetensorsFile golden = SafetensorsFile.Open(PathOf("logits.safetensors"));
        int[] ids = Ints(golden, "input_ids"), positions = Ints(golden, "positions");
        float[] expected = HostTensor.ReadFloats(golden.Get("logits"));
        int vocabSize = expected.Length / positions.Length;
        double mean = expected.Average(), std = Math.Sqrt(expected.Average(value => (value - mean) * (value - mean)));
        List<float[]> logits = _models.Exact.Logits(ids, 128);
        double largest = 0;
        for (int p = 0; p < positions.Length; p++)
            for (int i = 0; i < vocabSize; i++)
                largest = Math.Max(largest, Math.Abs(logits[positions[p]][i] - expected[(p * vocabSize) + i]));
        Assert.True(largest <= 1e-4 * std, $"{largest / std:E2} standard deviations from the reference");
    }

    [Fact]
    public void Int8_activations_move_the_distribution_little()
    {
        int[] ids = Ints(JsonNode.Parse(File.ReadAllText(PathOf("perplexity.json")))!["input_ids"]!);
        List<float[]> exact = _models.Exact.Logits(ids, 128), fast = _models.Fast.Logits(ids, 128);
        double divergence = 0;
        for (int t = 0; t < ids.Length; t++)
        {
            double[] p = LogSoftmax(exact[t]), q = LogSoftmax(fast[t]);
            divergence += p.Zip(q, (a, b) => Math.Exp(a) * (a - b)).Sum() / ids.Length;
            float[] descending = [.. exact[t].OrderDescending().Take(2)];
            if (descending[0] - descending[1] > 0.5f) Assert.Equal(IndexOfMax(exact[t]), IndexOfMax(fast[t]));
        }
        Assert.True(divergence < 0.01, $"mean KL divergence {divergence:E2}");
    }

    [Fact]
    public void Int8_perplexity_is_within_one_percent_of_the_float_path()
    {
        JsonNode golden = JsonNode.Parse(File.ReadAllText(PathOf("perplexity.json")))!;
        int[] ids = Ints(golden["input_ids"]!);
        double exact = Perplexity(_models.Exact, ids), fast = Perplexity(_models.Fast, ids);
        Assert.Equal(golden["perplexity"]!.GetValue<double>(), exact, 1e-3);
        Assert.InRange(fast / exact, 0.99, 1.01);
    }

    [Fact]
    public void Tokenizer_is_the_references()
    {
        Tokenizer tokenizer = Tokenizer.Load(SharedFolder.DefaultModel);
        foreach (JsonNode? item in JsonNode.Parse(File.ReadAllText(PathOf("tokenizer_cases.json")))!.AsArray())
        {
            string text = item!["text"]!.GetValue<string>();
            int[] ids = Ints(item["ids"]!);
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(Ints(item["ids_with_special"]!), tokenizer.Encode(text, AddSpecialTokens.ByPostProcessor));
            Assert.Equal(item["decoded"]!.GetValue<string>(), tokenizer.Decode(ids));
            Assert.Equal(item["decoded_skip_special"]!.GetValue<string>(), tokenizer.Decode(ids, SpecialTokens.Skip));
        }
    }

    [Fact]
    public void Chat_template_makes_the_references_prompts()
    {
        ChatTemplate template = ChatTemplate.Load(SharedFolder.DefaultModel)!;
        Tokenizer tokenizer = Tokenizer.Load(SharedFolder.DefaultModel);
        foreach (JsonNode item in GreedyCases().Where(node => node["messages"] is not null))
        {
            string prompt = template.Render(item["messages"]!.AsArray());
            Assert.Equal(item["prompt"]!.GetValue<string>(), prompt);
            Assert.Equal(Ints(item["prompt_ids"]!), tokenizer.Encode(prompt));
        }
    }

    private static string PathOf(string file) => Path.Combine(SharedFolder.Golden, "smollm2", file);

    private static IEnumerable<JsonNode> GreedyCases() => JsonNode.Parse(File.ReadAllText(PathOf("greedy.json")))!.AsObject()
        .Where(pair => pair.Value is JsonArray).SelectMany(pair => pair.Value!.AsArray()).Select(node => node!);

    private static double Perplexity(ModelHarness model, int[] ids)
    {
        List<float[]> logits = model.Logits(ids, 128);
        double sum = 0;
        for (int t = 1; t < ids.Length; t++) sum -= LogSoftmax(logits[t - 1])[ids[t]];
        return Math.Exp(sum / (ids.Length - 1));
    }

    private static double[] LogSoftmax(float[] logits)
    {
        double max = logits.Max(), log = Math.Log(logits.Sum(l => Math.Exp(l - max)));
        return [.. logits.Select(l => l - max - log)];
    }

    private static int IndexOfMax(float[] values) => Array.IndexOf(values, values.Max());

    private static int[] Ints(JsonNode node) => node.Deserialize<int[]>()!;

    private static int[] Ints(SafetensorsFile file, string name) => [.. HostTensor.ReadInts(file.Get(name)).Select(value => (int)value)];

    /// <summary>The model, loaded once in each arithmetic.</summary>
    public sealed class Models : IDisposable
    {
        public ModelHarness Exact { get; } = Load(Arithmetic.Exact);

        public ModelHarness Fast { get; } = Load(Arithmetic.Fast);

        public void Dispose()
        {
            Exact.Dispose();
            Fast.Dispose();
        }

        private static ModelHarness Load(Arithmetic arithmetic) =>
            new(new CpuDevice(2, IsaSupport.Best), SharedFolder.DefaultModel, arithmetic, numPages: 40);
    }
}
