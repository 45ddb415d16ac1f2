using Xunit;

namespace Exo.Kernels.Tests.Cpu;

public sealed unsafe class ThreadTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_piece_is_done_exactly_once_in_every_job(int threads)
    {
        using var team = new ThreadTeam(threads);
        int* counts = stackalloc int[64];
        for (int job = 0; job < 20000; job++)
        {
            int numPieces = job % 64;
            new Span<int>(counts, 64).Clear();
            team.Run(numPieces, &CountPiece, counts);
            for (int piece = 0; piece < 64; piece++) Assert.Equal(piece < numPieces ? 1 : 0, counts[piece]);
        }
    }

    [Fact]
    public void A_team_wakes_from_parking()
    {
        using var team = new ThreadTeam(3);
        int* counts = stackalloc int[64];
        for (int job = 0; job < 5; job++)
        {
            Thread.Sleep(50);
            new Span<int>(counts, 64).Clear();
            team.Run(64, &CountPiece, counts);
            Assert.Equal(64, new Span<int>(counts, 64).ToArray().Sum());
        }
    }

    [Fact]
    public void Two_teams_at_once_do_not_disturb_each_other()
    {
        var other = new Thread(() => Every_piece_is_done_exactly_once_in_every_job(2));
        other.Start();
        Every_piece_is_done_exactly_once_in_every_job(2);
        Assert.True(other.Join(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public void A_job_allocates_nothing()
    {
        using var team = new ThreadTeam(2);
        int* counts = stackalloc int[64];
        team.Run(64, &CountPiece, counts);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int job = 0; job < 1000; job++) team.Run(64, &CountPiece, counts);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void CountPiece(void* job, int piece, int worker) => Interlocked.Increment(ref ((int*)job)[piece]);
}
