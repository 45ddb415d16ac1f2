namespace Exo.Model.Generation;

/// <summary>
/// Decides what each step computes: requests are admitted in the order of their arrival, as soon as pages for all they may need are free;
/// every running answer gets one row a step, and one prompt a chunk. Used by one thread.
/// </summary>
internal sealed class Scheduler(ModelRunner runner, EngineOptions options)
{
    private readonly List<Sequence> _waiting = [];
    private readonly List<Sequence> _running = [];
    private readonly List<int> _released = [];
    private readonly PagePool _pages = new(runner.NumPages);
    private readonly StepPlan _plan = new();
    private int _stepNumber;

    /// <summary>Takes a request in.</summary>
    public void Add(Sequence sequence) => _waiting.Add(sequence);

    /// <summary>Runs one step; false where there was nothing to do.</summary>
    public bool RunStep()
    {
        Retire();
        Admit();
        if (_running.Count == 0) return false;
        _plan.Clear();
        _plan.Epoch = runner.Epoch;
        _plan.StepNumber = _stepNumber++;
        _plan.Released.AddRange(_released);
        int budget = options.PrefillChunk;
        foreach (Sequence sequence in _running)
        {
            if (!sequence.IsPrefilling) sequence.Plan(_plan, 1);
            else if (budget > 0) budget -= sequence.Plan(_plan, budget);
        }
        runner.Submit(_plan);
        StepResult result = runner.Take();
        _released.Clear();
        foreach (SampledToken token in result.Tokens)
        {
            foreach (Sequence sequence in _running)
                if (sequence.Id == token.SequenceId && !sequence.IsCancelled) sequence.Accept(token, result.TopLogprobs);
        }
        Retire();
        return true;
    }

    /// <summary>A step has failed: its answers end with the error, those that wait go on.</summary>
    public void FailRunning(Exception error)
    {
        foreach (Sequence sequence in _running) sequence.End(error);
        Retire();
    }

    /// <summary>Ends everything.</summary>
    public void FailAll(Exception error)
    {
        FailRunning(error);
        foreach (Sequence sequence in _waiting) sequence.End(error);
        _waiting.Clear();
    }

    private void Retire()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            Sequence sequence = _running[i];
            if (!sequence.IsFinished && !sequence.IsCancelled) continue;
            sequence.End();
            _pages.Return(sequence.Pages);
            _released.Add(sequence.Id);
            _running.RemoveAt(i);
        }
    }

    private void Admit()
    {
        _waiting.RemoveAll(static sequence => sequence.IsCancelled);
        int admitted = 0;
        while (admitted < _waiting.Count && _running.Count < options.MaxRunning)
        {
            Sequence next = _waiting[admitted];
            if (!_pages.TryTake(next.NumPagesNeeded, next.Pages)) break;
            _running.Add(next);
            admitted++;
        }
        _waiting.RemoveRange(0, admitted);
    }
}
