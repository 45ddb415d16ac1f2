using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Testing;

/// <summary>Runs one rank of a model folder step by step, without scheduler or tokenizer.</summary>
public sealed class ModelHarness : IDisposable
{
    private readonly Device _device;
    private readonly RankRunner _runner;
    private readonly StepPlan _plan = new();
    private readonly StepResult _result = new();
    private readonly int[] _pages;
    private int _position;

    /// <summary>Loads this rank's shard; takes ownership of the device.</summary>
    public ModelHarness(Device device, string folder, Arithmetic arithmetic, Shard? shard = null, int numPages = 8)
    {
        _device = device;
        Config = ModelConfig.Load(folder);
        var context = new ModelContext(device, Config, shard ?? Shard.Whole, arithmetic);
        using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
        _runner = new RankRunner(context, new CausalModel(context, checkpoint), numPages);
        _pages = [.. Enumerable.Range(0, numPages).Reverse()]; // not in order: positions must be found through the table
    }

    /// <summary>The model's configuration.</summary>
    public ModelConfig Config { get; }

    /// <summary>Logits of every position of <paramref name="ids"/>, fed in chunks of <paramref name="chunk"/>; a new sequence.</summary>
    public List<float[]> Logits(ReadOnlySpan<int> ids, int chunk)
    {
        var logits = new List<float[]>();
        _position = 0;
        for (int start = 0; start < ids.Length; start += chunk)
            logits.AddRange(Next(ids[start..Math.Min(ids.Length, start + chunk)]));
        return logits;
    }

    /// <summary>The greedy continuation of a prompt, by logits alone.</summary>
    public List<int> Greedy(ReadOnlySpan<int> prompt, int count)
    {
        var output = new List<int>();
        _position = 0;
        float[] last = Next(prompt)[^1];
        while (true)
        {
            output.Add(Array.IndexOf(last, last.Max()));
            if (output.Count == count) return output;
            last = Next([output[^1]])[^1];
        }
    }

    /// <summary>Runs a plan as it is and copies what it gave out.</summary>
    public StepOutput Run(StepPlan plan)
    {
        _runner.Run(plan, _result);
        return new StepOutput([.. _result.Logits], [.. _result.Tokens], [.. _result.TopLogprobs]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _runner.Dispose();
        _device.Dispose();
    }

    private List<float[]> Next(ReadOnlySpan<int> ids)
    {
        _plan.Clear();
        SequenceStep sequence = _plan.AddSequence();
        sequence.FirstPosition = _position;
        sequence.Ids.AddRange(ids);
        sequence.AdmittedLimit = 0;
        for (int page = 0; page * KvLayout.PageSize < _position + ids.Length; page++) sequence.Pages.Add(_pages[page]);
        for (int row = 0; row < ids.Length; row++) sequence.Outputs.Add(new OutputRow(row, OutputKind.Logits));
        _runner.Run(_plan, _result);
        _position += ids.Length;
        return [.. _result.Logits];
    }
}
