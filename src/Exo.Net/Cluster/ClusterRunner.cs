using System.Runtime.InteropServices;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>
/// Runs step plans over the nodes of one plan. The thread that submits and takes is rank 0's own: a plan goes to all ranks when it is
/// submitted, and this node's part runs when a result is waited for. A plan that has failed stays failed; its node is named in every
/// later call.
/// </summary>
public sealed class ClusterRunner : ModelRunner
{
    private const int MaxResultBytes = 1 << 20;
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(2);
    private readonly PlanRank _rank;
    private readonly WorkerLink[] _workers;
    private readonly ByteWriter _writer = new();
    private readonly StepResult _result = new();
    private readonly StepResult _none = new();
    private readonly Queue<StepPlan> _submitted = new();
    private readonly Queue<StepPlan> _computed = new();
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(MaxResultBytes);
    private Task _ending = Task.CompletedTask;
    private bool _disposed;

    internal ClusterRunner(PlanRank rank, WorkerLink[] workers)
    {
        (_rank, _workers) = (rank, workers);
        rank.Watch.IsGone = node => Array.Exists(workers, worker => worker.Name == node && worker.HasPeerClosed);
        rank.Watch.OnFailure = failure => _ending = EndEverywhereAsync(failure.Message);
        foreach (var worker in workers)
        {
            worker.OnPlanFailed = failure => Judge(worker, failure);
            _ = WatchAsync(worker);
        }
    }

    /// <inheritdoc/>
    public override ModelConfig Config => _rank.Config;

    /// <inheritdoc/>
    public override int NumPages => _rank.Runner!.NumPages;

    /// <inheritdoc/>
    public override long Epoch => _rank.Offer.Epoch;

    /// <summary>Names of the plan's nodes, by rank.</summary>
    public IReadOnlyList<string> Nodes => _rank.Offer.NodeNames;

    /// <summary>Cancelled when a node has ended the plan: a server learns it before its next step.</summary>
    public CancellationToken Failed => _rank.Watch.Failed;

    /// <summary>Why the plan has ended; null while it lives.</summary>
    public ClusterException? Failure => _rank.Watch.Failure;

    /// <inheritdoc/>
    /// <exception cref="NodeFailedException">A node ended the plan.</exception>
    public override void Submit(StepPlan plan)
    {
        ThrowIfFailed();
        if (plan.Epoch != Epoch)
            throw new ClusterException($"step plan: expected epoch {Epoch}, got {plan.Epoch}");
        PlanCodec.Write(plan, _writer);
        if (_writer.Written.Length > WorkerLoop.MaxPlanBytes)
            throw new ClusterException($"step plan: expected at most {WorkerLoop.MaxPlanBytes} bytes, got {_writer.Written.Length}");
        try
        {
            foreach (var transport in _rank.Transports)
                transport?.PostSend(new MessageKey(FrameKind.StepPlan, (uint)plan.StepNumber, 0), _writer.Written);
            _rank.Set!.Wait(WaitFor.Sends, null, Deadline.After(PlanRank.OperationTimeout), Failed);
        }
        catch (Exception e)
        {
            throw _rank.Watch.Explain(e, _rank.OwnName);
        }
        _submitted.Enqueue(plan);
    }

    /// <inheritdoc/>
    /// <exception cref="NodeFailedException">A node ended the plan; closed sockets do so within 200 ms, silence within 1.5 s, or 4.5 s
    /// on a busy machine.</exception>
    public override StepResult Take(CancellationToken cancellation = default)
    {
        ThrowIfFailed();
        cancellation.ThrowIfCancellationRequested(); // a step once begun is finished: half a message could not be taken up again
        if (_submitted.Count + _computed.Count == 0)
            throw new InvalidOperationException("no step is in flight");
        try
        {
            if (_rank.Layout.ResultRank == 0)
            {
                _rank.Run(_submitted.Dequeue(), _result);
                return _result;
            }
            // All that was submitted, so that the later stages have work while this one waits.
            while (_submitted.TryDequeue(out var plan))
            {
                _rank.Run(plan, _none);
                _computed.Enqueue(plan);
            }
            ReceiveResult(_computed.Dequeue());
            return _result;
        }
        catch (Exception e)
        {
            throw _rank.Watch.Explain(e, _rank.OwnName);
        }
    }

    /// <summary>Writes what every rank did as a Chrome trace; the plan must have been asked to keep timelines.</summary>
    public async Task WriteTimelineAsync(Stream stream, CancellationToken token)
    {
        var ranks = new List<RankTimeline> { new(0, _rank.OwnName, StepTimeline.Import(_rank.Timeline?.Export() ?? [])) };
        for (int i = 0; i < _workers.Length; i++)
        {
            long offset = await ClockOffsetAsync(_workers[i], token);
            var spans = StepTimeline.Import(await _workers[i].ReadTimelineAsync(_rank.Offer.Epoch, token));
            ranks.Add(new RankTimeline(i + 1, _workers[i].Name,
                [.. spans.Select(span => span with { StartNs = span.StartNs - offset, EndNs = span.EndNs - offset })]));
        }
        ChromeTrace.Write(stream, _rank.Layout, ranks);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_disposed)
            return;
        _disposed = true;
        _rank.Watch.End($"plan {Epoch} was ended by its leader");
        // Workers let go first: while they compute with us our sockets must not seem to fail.
        _ending.Wait(2 * EndTimeout);
        foreach (var worker in _workers)
            worker.OnPlanFailed = null;
        _rank.Dispose();
    }

    private void ThrowIfFailed()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Failure is { } failure)
            throw failure;
    }

    private void ReceiveResult(StepPlan plan)
    {
        int step = plan.StepNumber;
        var from = _rank.Transports[_rank.Layout.ResultRank]!;
        var deadline = Deadline.After(PlanRank.OperationTimeout);
        var (key, length) = from.ReceiveAny(FrameKind.StepResult, _buffer, deadline, Failed);
        if (key.Step != (uint)step)
            throw new ClusterException($"step result: expected step {step}, got step {key.Step}");
        int numLogits = ResultCodec.Read(_buffer.AsSpan(0, length), step, _result);
        int wanted = plan.Sequences.Sum(sequence => sequence.Outputs.Count(output => output.Kind == OutputKind.Logits));
        if (numLogits != wanted)
            throw new ClusterException($"step result: expected {wanted} rows of logits, got {numLogits}");
        for (int row = 0; row < numLogits; row++)
        {
            var logits = new float[Config.VocabSize];
            var expected = new MessageKey(FrameKind.StepResult, (uint)step, (uint)row + 1);
            from.Receive(expected, MemoryMarshal.AsBytes(logits.AsSpan()), deadline, Failed);
            _result.Logits.Add(logits);
        }
    }

    private void Judge(WorkerLink worker, PlanFailure failure)
    {
        if (failure.Epoch != _rank.Offer.Epoch || (uint)failure.Cause >= (uint)Nodes.Count)
            return;
        if (Nodes[failure.Cause] == worker.Name)
        {
            _rank.Watch.Blame(worker.Name, failure.What);
            return;
        }
        _rank.Watch.Accuse(worker.Name, Nodes[failure.Cause], $"{worker.Name} says: {failure.What}");
    }

    private async Task WatchAsync(WorkerLink worker)
    {
        await Task.WhenAny(worker.Completion);
        _rank.Watch.Blame(worker.Name, "its control connection closed: the process or its network is gone");
    }

    private Task EndEverywhereAsync(string why) => Task.WhenAll(_workers.Select(async worker =>
    {
        // Who does not even answer this (a stopped process) is no worker any more; its connection closes, and it will find out.
        if (!await worker.EndPlanAsync(_rank.Offer.Epoch, why, EndTimeout))
            await worker.DisposeAsync();
    }));

    // The worker's clock minus ours, taken from the quickest of a few calls.
    private static async Task<long> ClockOffsetAsync(WorkerLink worker, CancellationToken token)
    {
        const int numCalls = 10;
        var (best, offset) = (long.MaxValue, 0L);
        for (int i = 0; i < numCalls; i++)
        {
            long before = StepTimeline.Now;
            long there = await worker.ClockAsync(token);
            long after = StepTimeline.Now;
            if (after - before < best)
                (best, offset) = (after - before, there - ((before + after) / 2));
        }
        return offset;
    }
}
