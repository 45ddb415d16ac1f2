using Exo.Kernels;
using Exo.Model.Parallel;

namespace Exo.Net.Cluster;

/// <summary>
/// A process group that counts what goes through it: the rank's progress, which heartbeats carry, and its timeline, if one is kept.
/// </summary>
internal sealed class WatchedProcessGroup(ProcessGroup group, ComputeProgress progress, StepTimeline? timeline) : ProcessGroup
{
    public override int Rank => group.Rank;

    public override int WorldSize => group.WorldSize;

    public override Tensor AllReduce(Device device, Reduction reduction, PartialSums partial)
    {
        long start = StepTimeline.Now;
        Tensor sum = group.AllReduce(device, reduction, partial);
        Done(TimelineKind.Collective, start);
        return sum;
    }

    public override Tensor AllReduceMatMul(Device device, Reduction reduction, Tensor x, Weight weight)
    {
        // A single row has nothing to overlap: a timeline shows its product as the compute that it is.
        if (timeline is not null && x.NumRows == 1)
            return AllReduce(device, reduction, device.MatMulPartial(x, weight));
        long start = StepTimeline.Now;
        Tensor sum = group.AllReduceMatMul(device, reduction, x, weight);
        Done(TimelineKind.OverlappedCollective, start);
        return sum;
    }

    public override void AllGather(ReadOnlySpan<byte> local, Span<byte> all)
    {
        long start = StepTimeline.Now;
        group.AllGather(local, all);
        Done(TimelineKind.Collective, start);
    }

    public override void Broadcast(int root, Span<byte> bytes)
    {
        long start = StepTimeline.Now;
        group.Broadcast(root, bytes);
        Done(TimelineKind.Collective, start);
    }

    public override void Send(int rank, ReadOnlySpan<byte> bytes)
    {
        long start = StepTimeline.Now;
        group.Send(rank, bytes);
        Done(TimelineKind.Send, start);
    }

    public override void Receive(int rank, Span<byte> bytes)
    {
        long start = StepTimeline.Now;
        group.Receive(rank, bytes);
        Done(TimelineKind.Receive, start);
    }

    private void Done(TimelineKind kind, long start)
    {
        var (step, operation) = progress.Place;
        progress.Place = (step, operation + 1);
        timeline?.Add((int)step, kind, start, StepTimeline.Now);
    }
}
