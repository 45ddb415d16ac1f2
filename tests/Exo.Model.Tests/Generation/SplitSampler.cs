using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Testing;

namespace Exo.Model.Tests.Generation;

/// <summary>The real sampler, each rank of a split vocabulary on a thread of its own.</summary>
internal static class SplitSampler
{
    private const int TimeoutMs = 30_000;

    /// <summary>What each rank says of the token at a position; an exception of a rank is thrown.</summary>
    public static (SampledToken Token, TokenLogprob[] Top)[] Sample(
        float[] logits, Partition partition, SamplingSettings settings, int[] prompt, int[] generated, int position)
    {
        ProcessGroup[] groups = ThreadGroup.Create(partition.WorldSize);
        Task<(SampledToken, TokenLogprob[])>[] ranks =
        [
            .. groups.Select(group => Task.Factory.StartNew(
                () =>
                {
                    Slice own = partition.Of(logits.Length, group.Rank);
                    var sampler = new Sampler(group, own);
                    var state = new SequenceState(new SequenceStart(settings, prompt.Length, [.. prompt, .. generated]), 4);
                    var result = new StepResult();
                    SampledToken token = sampler.Sample(logits.AsSpan(own.Start, own.Count), 7, state, position, result);
                    return (token, result.TopLogprobs.ToArray());
                },
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default)),
        ];
        if (!Task.WaitAll(ranks, TimeoutMs)) throw new TimeoutException("a rank does not end");
        return [.. ranks.Select(rank => rank.Result)];
    }
}
