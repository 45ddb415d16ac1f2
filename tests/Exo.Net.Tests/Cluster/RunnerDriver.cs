using Exo.Kernels;
using Exo.Model.Generation;

namespace Exo.Net.Tests.Cluster;

/// <summary>Makes the step plans of one sequence by hand, so that tests see every logit.</summary>
internal sealed class RunnerDriver(ModelRunner runner)
{
    private readonly StepPlan _plan = new();
    private int _stepNumber;
    private int _sequenceId;
    private int _position;

    /// <summary>Logits of every position, fed in chunks: a new sequence.</summary>
    public List<float[]> Logits(ReadOnlySpan<int> ids, int chunk)
    {
        var logits = new List<float[]>();
        (_position, _sequenceId) = (0, _sequenceId + 1);
        for (int start = 0; start < ids.Length; start += chunk)
            logits.AddRange(Step(ids[start..Math.Min(ids.Length, start + chunk)], OutputKind.Logits, null).Logits);
        return logits;
    }

    /// <summary>Continues a prompt by sampling.</summary>
    public List<int> Sample(int[] prompt, int count, SamplingSettings settings)
    {
        var ids = new List<int>();
        (_position, _sequenceId) = (0, _sequenceId + 1);
        int next = Step(prompt, OutputKind.Sample, new SequenceStart(settings, prompt.Length, prompt)).Tokens[0].Id;
        while (true)
        {
            ids.Add(next);
            if (ids.Count == count)
                return ids;
            next = Step([next], OutputKind.Sample, null).Tokens[0].Id;
        }
    }

    /// <summary>One more step of the last sequence.</summary>
    public void Continue(int id) => Step([id], OutputKind.Sample, null);

    private StepResult Step(ReadOnlySpan<int> ids, OutputKind kind, SequenceStart? start)
    {
        _plan.Clear();
        (_plan.Epoch, _plan.StepNumber) = (runner.Epoch, _stepNumber++);
        var sequence = _plan.AddSequence();
        (sequence.SequenceId, sequence.FirstPosition, sequence.AdmittedLimit, sequence.Start) = (_sequenceId, _position, 0, start);
        sequence.Ids.AddRange(ids);
        for (int page = 0; page * KvLayout.PageSize < _position + ids.Length; page++)
            sequence.Pages.Add(page);
        for (int row = 0; row < ids.Length; row++)
        {
            if (kind == OutputKind.Logits || row == ids.Length - 1)
                sequence.Outputs.Add(new OutputRow(row, kind));
        }
        _position += ids.Length;
        runner.Submit(_plan);
        return runner.Take();
    }
}
