using Exo.Kernels;
using Exo.Model.Generation;
using Exo.Testing;

namespace Exo.Model.Tests.Generation;

/// <summary>
/// A model whose next token is a function of all ids so far. Refuses plans that no rank could run: a gap in the positions, a page that two
/// sequences hold, a sequence that never began.
/// </summary>
internal sealed class ScriptedRunner(Func<IReadOnlyList<int>, int> next, int numPages = 512) : ModelRunner
{
    private static readonly ModelConfig _config = ModelConfig.Load(SharedFolder.DefaultModel);
    private readonly Dictionary<int, List<int>> _sequences = [];
    private readonly Dictionary<int, List<int>> _pages = [];
    private readonly StepResult _result = new();
    private StepPlan? _pending;

    public override ModelConfig Config => _config;

    public override int NumPages => numPages;

    /// <summary>What each step computed: sequences and numbers of rows.</summary>
    public List<(int SequenceId, int NumRows)[]> Steps { get; } = [];

    /// <summary>Prompts, in the order in which they were complete.</summary>
    public List<int[]> Prompts { get; } = [];

    /// <summary>When set, a step waits for it.</summary>
    public SemaphoreSlim? Gate { get; set; }

    /// <summary>Called before each step with its number; may throw.</summary>
    public Action<int>? BeforeStep { get; set; }

    public bool IsDisposed { get; private set; }

    public override void Submit(StepPlan plan) => _pending = plan;

    public override StepResult Take(CancellationToken cancellation = default)
    {
        StepPlan plan = _pending ?? throw new InvalidOperationException("no step is in flight");
        _pending = null;
        if (Gate is { } gate && !gate.Wait(TimeSpan.FromSeconds(30), cancellation)) throw new TimeoutException("the gate stays shut");
        BeforeStep?.Invoke(Steps.Count);
        _result.Clear();
        foreach (int id in plan.Released)
        {
            _sequences.Remove(id);
            _pages.Remove(id);
        }
        foreach (SequenceStep step in plan.Sequences) Run(step);
        int[] held = [.. _pages.Values.SelectMany(pages => pages)];
        if (held.Distinct().Count() != held.Length) throw new InvalidOperationException("two sequences hold one page");
        lock (Steps) Steps.Add([.. plan.Sequences.Select(step => (step.SequenceId, step.Ids.Count))]);
        return _result;
    }

    protected override void Dispose(bool disposing) => IsDisposed = true;

    private void Run(SequenceStep step)
    {
        if (step.Start is { } start)
        {
            _sequences[step.SequenceId] = [];
            lock (Prompts) Prompts.Add(start.History);
        }
        List<int> ids = _sequences[step.SequenceId];
        if (step.FirstPosition != ids.Count) throw new InvalidOperationException($"position {step.FirstPosition} after {ids.Count} ids");
        ids.AddRange(step.Ids);
        if (step.Pages.Count != (ids.Count + KvLayout.PageSize - 1) / KvLayout.PageSize) throw new InvalidOperationException($"{step.Pages.Count} pages for {ids.Count} ids");
        if (ids.Count > step.AdmittedLimit) throw new InvalidOperationException($"{ids.Count} ids of {step.AdmittedLimit} admitted");
        _pages[step.SequenceId] = [.. step.Pages];
        if (step.Outputs.Count > 0) _result.Tokens.Add(new SampledToken(step.SequenceId, next(ids), double.NaN, 0, 0));
    }
}
