using System.Diagnostics;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Host.Bench;

/// <summary>
/// A model that is run step by step, without scheduler and tokenizer: its steps are those that the engine would make, on ids made up.
/// </summary>
internal sealed class BenchModel : IDisposable
{
    private static readonly int _chunk = new EngineOptions().PrefillChunk;
    private readonly RankRunner _runner;
    private readonly StepPlan _plan = new();
    private readonly StepResult _result = new();
    private readonly HashSet<int> _started = [];
    private readonly int _pagesPerSequence;
    private readonly int _vocabSize;

    /// <summary>Loads a model with a cache for <paramref name="tests"/>. Takes ownership of the device.</summary>
    public BenchModel(CpuDevice cpu, string folder, Arithmetic arithmetic, IReadOnlyList<BenchTest> tests)
    {
        (Cpu, Folder, Arithmetic) = (cpu, folder, arithmetic);
        Device = new Device.Metered(cpu);
        try
        {
            long start = Stopwatch.GetTimestamp();
            ModelConfig config = ModelConfig.Load(folder);
            using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
            var context = new ModelContext(Device, config, Shard.Whole, arithmetic);
            var model = new CausalModel(context, checkpoint);
            _vocabSize = config.VocabSize;
            _pagesPerSequence = (tests.Max(test => test.NumPositions) + KvLayout.PageSize - 1) / KvLayout.PageSize;
            _runner = new RankRunner(context, model, _pagesPerSequence * tests.Max(test => test.NumSequences));
            LoadSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            WeightFormat = config.Quantization is { } affine
                ? $"affine {affine.Default.Bits}-bit, groups of {affine.Default.GroupSize}"
                : checkpoint.Tensors.MaxBy(tensor => tensor.ByteLength)!.Dtype.ToString();
        }
        catch
        {
            Device.Dispose();
            throw;
        }
    }

    /// <summary>The device itself.</summary>
    public CpuDevice Cpu { get; }

    /// <summary>The device as the model sees it.</summary>
    public Device.Metered Device { get; }

    /// <summary>Where the model lies.</summary>
    public string Folder { get; }

    /// <summary>The arithmetic in use.</summary>
    public Arithmetic Arithmetic { get; }

    /// <summary>How the checkpoint stores its matrices.</summary>
    public string WeightFormat { get; }

    /// <summary>From the opened file to a packed model with its cache.</summary>
    public double LoadSeconds { get; }

    /// <summary>Fills the positions before a test's first, so that it reads what a conversation of that length would.</summary>
    public void FillDepth(BenchTest test)
    {
        if (test.Depth > 0) Prefill(test with { Kind = BenchKind.Prompt, NumTokens = test.Depth, Depth = 0 });
    }

    /// <summary>Runs a test; returns its seconds.</summary>
    public double Run(BenchTest test)
    {
        long start = Stopwatch.GetTimestamp();
        if (test.Kind == BenchKind.Prompt) Prefill(test);
        else
            for (int i = 0; i < test.NumTokens; i++) Decode(test, test.Depth + i);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>One step of a generation at a position: a token of every sequence.</summary>
    public void Decode(BenchTest test, int position)
    {
        _plan.Clear();
        for (int sequence = 0; sequence < test.NumSequences; sequence++) AddRows(sequence, position, 1, OutputKind.Sample);
        _runner.Run(_plan, _result);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _runner.Dispose();
        Device.Dispose();
    }

    private void Prefill(BenchTest test)
    {
        for (int sequence = 0; sequence < test.NumSequences; sequence++)
        {
            for (int done = 0; done < test.NumTokens; done += _chunk)
            {
                _plan.Clear();
                int count = Math.Min(_chunk, test.NumTokens - done);
                AddRows(sequence, test.Depth + done, count, done + count == test.NumTokens ? OutputKind.Sample : null);
                _runner.Run(_plan, _result);
            }
        }
    }

    /// <summary>Rows of a sequence, the last of which gives something out where <paramref name="output"/> says what.</summary>
    private void AddRows(int sequence, int position, int count, OutputKind? output)
    {
        SequenceStep step = _plan.AddSequence();
        step.SequenceId = sequence;
        step.FirstPosition = position;
        step.AdmittedLimit = _pagesPerSequence * KvLayout.PageSize;
        step.Start = _started.Add(sequence) ? new SequenceStart(new SamplingSettings(), 0, []) : null; // greedy
        for (int i = 0; i < count; i++) step.Ids.Add(Id(sequence, position + i));
        for (int page = 0; page * KvLayout.PageSize < position + count; page++) step.Pages.Add((sequence * _pagesPerSequence) + page);
        if (output is { } kind) step.Outputs.Add(new OutputRow(count - 1, kind));
    }

    private int Id(int sequence, int position) => (int)((((ulong)sequence << 32) + (ulong)position + 1) * 0x9E3779B97F4A7C15 >> 33) % _vocabSize;
}
