using System.Diagnostics;
using Exo.Net.Cluster;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Cluster;

public sealed class PlanWatchTests
{
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
        Assert.InRange(clock.ElapsedMilliseconds, 80, 200);
    }

    [Fact]
    public void Node_whose_socket_closed_because_another_died_is_not_blamed()
    {
        using var watch = new PlanWatch();
        watch.Suspect("bystander", "closed its socket");
        watch.Blame("dead", "its control connection closed");
        Assert.Equal("dead", Assert.IsType<NodeFailedException>(watch.Explain(new PeerClosedException("bystander", "now"), "a")).Node);
    }

    [Fact]
    public void Witness_is_cleared_and_whom_it_accuses_is_blamed()
    {
        using var watch = new PlanWatch();
        watch.Suspect("witness", "closed its socket");
        watch.Clear("witness");
        watch.Suspect("dead", "witness says: closed");
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
