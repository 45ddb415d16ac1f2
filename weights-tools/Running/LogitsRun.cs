using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Net.Cluster;

namespace Exo.WeightsTools.Running;

/// <summary>One sequence through a model, for its logits: neither tokenizer nor sampler nor scheduler.</summary>
public sealed class LogitsRun : IDisposable
{
    private const int SequenceId = 0;

    private readonly ModelRunner _runner;
    private readonly StepPlan _plan = new();
    private readonly int _length;
    private int _position;

    private LogitsRun(ModelRunner runner, int length)
    {
        _runner = runner;
        _length = length;
    }

    public int VocabSize => _runner.Config.VocabSize;

    /// <summary>Loads a model with room for a sequence of `length` positions.</summary>
    public static LogitsRun Load(string folder, Arithmetic arithmetic, int length)
    {
        RequireFits(folder, length);
        return new LogitsRun(LocalRunner.Load(CpuDevice.Create(), folder, arithmetic, new CacheSize(length)), length);
    }

    /// <summary>Loads a model split over ranks, each a thread of this process with one compute thread; says what each rank holds.</summary>
    public static LogitsRun LoadSplit(string folder, SplitLayout layout, ExpertSplit experts, Arithmetic arithmetic, int length)
    {
        RequireFits(folder, length);
        ThreadedRunner runner = ThreadedRunner.Load(folder, layout, experts, arithmetic, new CacheSize(length), () => CpuDevice.Create(1));
        for (int rank = 0; rank < runner.WeightBytes.Count; rank++)
            Terminal.Say($"rank {rank} (stage {layout.StageOf(rank)}, tensor rank {layout.TensorRankOf(rank)}): {Sizes.Bytes(runner.WeightBytes[rank])} of weights");
        return new LogitsRun(runner, length);
    }

    /// <summary>Logits of the next ids, [vocabulary] each; valid until the next call.</summary>
    public IReadOnlyList<float[]> Next(ReadOnlySpan<int> ids)
    {
        _plan.Clear();
        SequenceStep sequence = _plan.AddSequence();
        sequence.SequenceId = SequenceId;
        sequence.FirstPosition = _position;
        sequence.AdmittedLimit = _length;
        if (_position == 0) sequence.Start = new SequenceStart(new SamplingSettings(), ids.Length, ids.ToArray());
        foreach (int id in ids) sequence.Ids.Add(id);
        for (int page = 0; page * KvLayout.PageSize < _position + ids.Length; page++) sequence.Pages.Add(page);
        for (int row = 0; row < ids.Length; row++) sequence.Outputs.Add(new OutputRow(row, OutputKind.Logits));
        _runner.Submit(_plan);
        StepResult result = _runner.Take();
        _position += ids.Length;
        return result.Logits;
    }

    /// <summary>The highest logit; the lower id of equal ones.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int id = 1; id < logits.Length; id++)
        {
            if (logits[id] > logits[best]) best = id;
        }
        return best;
    }

    public void Dispose() => _runner.Dispose();

    private static void RequireFits(string folder, int length)
    {
        int max = ModelConfig.Load(folder).MaxPositionEmbeddings;
        if (length > max) throw new WeightsToolException($"{folder}: expected at most {max} positions, got {length}");
    }
}
