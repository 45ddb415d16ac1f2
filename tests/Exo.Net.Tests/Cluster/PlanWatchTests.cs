using System.Diagnostics;
using Exo.Net.Cluster;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class PlanWatchTests
{
    // Longer than any test: what is decided meanwhile was not decided by waiting.
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    [Fact]
    public void Certain_news_decides_at_once_and_the_first_counts()
    {
        using var watch = new PlanWatch();
        watch.Blame("b", "gone");
        watch.Blame("c", "gone too");
        Assert.Equal("b", Assert.IsType<NodeFailedException>(watch.Failure).Node);
        Assert.True(watch.Failed.IsCancellationRequested);
    }

    [Fact]
    public void Suspicion_alone_decides_after_its_grace()
    {
        using var watch = new PlanWatch();
        var clock = Stopwatch.StartNew();
        var explained = watch.Explain(new PeerClosedException("b", "in mid-step"), "a");
        Assert.Equal("b", Assert.IsType<NodeFailedException>(explained).Node);
        Assert.True(clock.ElapsedMilliseconds >= 80, "it did not wait for certain news");
    }

    [Fact]
    public void Suspect_whose_process_is_gone_is_blamed_at_once()
    {
        using var watch = new PlanWatch(Long) { IsGone = node => node == "b" };
        watch.Suspect("bystander", "closed its socket");
        Assert.Null(watch.Failure);
        Assert.Equal("b", Assert.IsType<NodeFailedException>(watch.Explain(new PeerClosedException("b", "in mid-step"), "a")).Node);
    }

    [Fact]
    public void Suspect_whose_process_turns_out_to_be_gone_is_blamed_before_the_grace_is_over()
    {
        int asked = 0;
        using var watch = new PlanWatch(Long) { IsGone = _ => ++asked > 3 };
        Assert.Equal("b", Assert.IsType<NodeFailedException>(watch.Explain(new PeerClosedException("b", "in mid-step"), "a")).Node);
    }

    [Fact]
    public void Two_that_accuse_each_other_end_the_plan_and_the_edge_is_named()
    {
        using var watch = new PlanWatch();
        watch.Accuse("c", "b", "c says: its link to b is down");
        watch.Accuse("b", "c", "b says: its link to c is down");
        Assert.True(SpinWait.SpinUntil(() => watch.Failure is not null, Long));
        var failed = Assert.IsType<NodeFailedException>(watch.Failure);
        Assert.Equal(("b", "node b: c says: its link to b is down"), (failed.Node, failed.Message));
    }

    [Fact]
    public void Node_whose_socket_closed_because_another_died_is_not_blamed()
    {
        using var watch = new PlanWatch(Long);
        watch.Suspect("bystander", "closed its socket");
        watch.Blame("dead", "its control connection closed");
        Assert.Equal("dead", Assert.IsType<NodeFailedException>(watch.Explain(new PeerClosedException("bystander", "now"), "a")).Node);
    }

    [Fact]
    public void Witness_is_cleared_and_whom_it_accuses_is_blamed()
    {
        using var watch = new PlanWatch(TimeSpan.FromSeconds(2));
        watch.Suspect("witness", "closed its socket");
        watch.Accuse("witness", "dead", "witness says: closed");
        Assert.Equal("dead", Assert.IsType<NodeFailedException>(watch.Explain(new PeerClosedException("witness", "now"), "a")).Node);
    }

    [Fact]
    public void Failure_of_ones_own_names_oneself_and_keeps_its_cause()
    {
        using var watch = new PlanWatch();
        var cause = new InvalidOperationException("a logit is not finite");
        var explained = Assert.IsType<NodeFailedException>(watch.Explain(cause, "a"));
        Assert.Equal("a", explained.Node);
        Assert.Same(cause, explained.InnerException);
    }

    [Fact]
    public void Plan_that_was_let_go_takes_no_more_news()
    {
        var watch = new PlanWatch();
        watch.Dispose();
        watch.Blame("b", "gone");
        Assert.Null(watch.Failure);
    }
}
