using System.Runtime.Intrinsics;
using Exo.Kernels.Cpu;

namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    private readonly GrowingBuffer _attentionUnits = new();
    private readonly GrowingBuffer _attentionScratch = new();

    /// <inheritdoc/>
    protected override void AttentionCore(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape, Tensor output)
    {
        if (shape.NumHeads == 0 || batch.NumRows == 0) return;
        var plan = AttentionPlan.Make(batch, shape, NumThreads);
        bool splits = plan.SplitsSegments(NumThreads);
        var sizes = new AttentionSizes(
            AttentionSizes.RoundUp(plan.MaxQueries),
            cache.Layout.KeyWidth,
            AttentionSizes.RoundUp(cache.Layout.ValueWidth),
            splits ? 0 : SegmentTree<Simd128, Vector128<float>>.NumStates(plan.MaxSegments));
        nint workers = NumThreads * sizes.WorkerFloats, states = splits ? plan.NumUnits * plan.MaxSegments * sizes.StateFloats : 0;
        var scratch = (float*)_attentionScratch.Reserve((workers + states) * sizeof(float));
        var job = new AttentionJob
        {
            Query = query.Pointer,
            QueryStride = query.RowStride,
            Output = output.Pointer,
            OutputStride = output.RowStride,
            CacheAddress = cache.Address,
            PageBytes = cache.PageBytes,
            Layout = cache.Layout,
            Type = cache.Type,
            Scale = shape.Scale,
            IsFinite = !cache.MayHoldNonFinite,
            Units = (AttentionUnit*)_attentionUnits.Reserve(plan.NumUnits * sizeof(AttentionUnit)),
            SegmentsPerUnit = plan.MaxSegments,
            Sizes = sizes,
            Scratch = scratch,
            States = scratch + workers,
        };
        fixed (int* pinned = batch.Pages(0))
        {
            plan.Fill(batch, shape, job.Units);
            if (Isa == Isa.Avx512) RunAttention<Simd512, Vector512<float>>(&job, plan, splits);
            else if (Isa == Isa.Avx2) RunAttention<Simd256, Vector256<float>>(&job, plan, splits);
            else RunAttention<Simd128, Vector128<float>>(&job, plan, splits);
        }
    }

    private void RunAttention<TSimd, TVector>(AttentionJob* job, in AttentionPlan plan, bool splits)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        if (!splits)
        {
            Team.Run(plan.NumUnits, &AttentionKernel<TSimd, TVector>.WholeUnit, job);
            return;
        }
        Team.Run(plan.NumUnits * plan.MaxSegments, &AttentionKernel<TSimd, TVector>.OneSegment, job);
        Team.Run(plan.NumUnits, &AttentionKernel<TSimd, TVector>.MergeUnit, job);
    }
}
