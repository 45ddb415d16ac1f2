using System.Runtime.InteropServices;
using Exo.Model.Generation;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>What a worker's rank does all day: take the leader's next plan, run it, and (on one rank) send back what it gave.</summary>
internal sealed class WorkerLoop(PlanRank rank)
{
    /// <summary>A plan's bytes, at most: a prompt of a million tokens and its history.</summary>
    public const int MaxPlanBytes = 16 << 20;

    // A leader may have nothing to do for long; its silence is the heartbeats' business.
    private static readonly TimeSpan Idle = TimeSpan.FromHours(12);
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(MaxPlanBytes);
    private readonly StepPlan _plan = new();
    private readonly StepResult _result = new();
    private readonly ByteWriter _writer = new();

    /// <summary>Runs until the plan ends, which is always an exception.</summary>
    public void Run()
    {
        var leader = rank.Transports[0]!;
        while (true)
        {
            var (key, length) = leader.ReceiveAny(FrameKind.StepPlan, _buffer, Deadline.After(Idle), rank.Watch.Failed);
            PlanCodec.Read(_buffer.AsSpan(0, length), _plan);
            if (_plan.Epoch != rank.Offer.Epoch || (uint)_plan.StepNumber != key.Step)
            {
                throw new ClusterException(
                    $"step plan: expected step {key.Step} of plan {rank.Offer.Epoch}, got step {_plan.StepNumber} of plan {_plan.Epoch}");
            }
            rank.Run(_plan, _result);
            if (rank.Offer.Rank == rank.Layout.ResultRank)
                SendResult(leader, key.Step);
        }
    }

    private void SendResult(Transport leader, uint step)
    {
        ResultCodec.Write((int)step, _result, _writer);
        var deadline = Deadline.After(PlanRank.OperationTimeout);
        leader.Send(new MessageKey(FrameKind.StepResult, step, 0), _writer.Written.Span, deadline, rank.Watch.Failed);
        for (int row = 0; row < _result.Logits.Count; row++)
        {
            var key = new MessageKey(FrameKind.StepResult, step, (uint)row + 1);
            leader.Send(key, MemoryMarshal.AsBytes(_result.Logits[row].AsSpan()), deadline, rank.Watch.Failed);
        }
    }
}
