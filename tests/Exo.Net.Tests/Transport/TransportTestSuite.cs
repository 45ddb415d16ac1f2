using System.Diagnostics;
using System.Reflection;
using Exo.Net.Transports;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Transports;

/// <summary>What every transport must do. An heir says how two ends are connected.</summary>
public abstract class TransportTestSuite
{
    protected const int SmallBuffer = 4096;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    protected sealed record Ends(Transport A, Transport B) : IDisposable
    {
        public void Dispose()
        {
            A.Dispose();
            B.Dispose();
        }
    }

    private delegate int RawWrite(ReadOnlySpan<byte> bytes);

    /// <summary>Connects two ends; A is called "alice" by B, B is called "bob" by A.</summary>
    protected abstract Ends Connect(TransportOptions optionsOfA, TransportOptions optionsOfB);

    /// <summary>The options of one end before a test changes them.</summary>
    protected virtual TransportOptions Options(LinkRole role) => new() { Epoch = 7 };

    private Ends Connect(Func<TransportOptions, TransportOptions>? change = null)
    {
        change ??= options => options;
        return Connect(change(Options(LinkRole.Dialer)), change(Options(LinkRole.Listener)));
    }

    private static Deadline Soon => Deadline.After(Limit);

    private static MessageKey Key(uint tag) => new(FrameKind.Collective, 3, tag);

    [Fact]
    public void Sixty_four_MiB_both_ways_with_4_KiB_buffers_when_both_send_first()
    {
        const int numBytes = 64 << 20;
        using Ends ends = Connect(options => options with { BufferBytes = SmallBuffer });
        byte[] fromA = Bytes(numBytes, 1);
        byte[] fromB = Bytes(numBytes, 2);
        Both(
            () => Assert.True(fromB.AsSpan().SequenceEqual(SendThenReceive(ends.A, fromA, numBytes))),
            () => Assert.True(fromA.AsSpan().SequenceEqual(SendThenReceive(ends.B, fromB, numBytes))));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(4095)]
    [InlineData(8192)]
    [InlineData(16 * 1024 + 1)]
    [InlineData(FrameHeader.MaxPayload)]
    [InlineData(FrameHeader.MaxPayload + 1)]
    [InlineData(3 * FrameHeader.MaxPayload + 5)]
    public void A_message_of_any_size_arrives_whole_posted_before_or_after(int numBytes)
    {
        using Ends ends = Connect();
        byte[] sent = Bytes(numBytes, 5);
        byte[] early = new byte[numBytes];
        byte[] late = new byte[numBytes];
        Both(
            () =>
            {
                ends.A.Send(Key(1), sent, Soon, default);
                ends.A.Send(Key(2), sent, Soon, default);
            },
            () =>
            {
                long ticket = ends.B.PostReceive(Key(1), early);
                ends.B.Set.WaitReceived(ends.B, FrameKind.Collective, ticket, Soon, default);
                Thread.Sleep(20);
                ends.B.Progress();
                ends.B.Receive(Key(2), late, Soon, default);
            });
        Assert.Equal(sent, early);
        Assert.Equal(sent, late);
    }

    [Fact]
    public void Many_messages_of_random_sizes_keep_their_order_and_bytes()
    {
        const int numMessages = 500;
        using Ends ends = Connect(options => options with { BufferBytes = SmallBuffer });
        int[] sizes = new int[numMessages];
        var random = new Random(11);
        for (int i = 0; i < numMessages; i++) sizes[i] = random.Next(4) == 0 ? random.Next(20_000) : random.Next(70);
        void Talk(Transport end, int own, int other)
        {
            for (int i = 0; i < numMessages; i++)
            {
                end.Send(Key((uint)i), Bytes(sizes[i], own + i), Soon, default);
                byte[] got = new byte[sizes[i]];
                end.Receive(Key((uint)i), got, Soon, default);
                Assert.Equal(Bytes(sizes[i], other + i), got);
            }
        }

        Both(() => Talk(ends.A, 1000, 2000), () => Talk(ends.B, 2000, 1000));
    }

    [Fact]
    public void Kinds_are_lanes_that_do_not_wait_for_each_other()
    {
        using Ends ends = Connect();
        var plan = new MessageKey(FrameKind.StepPlan, 9, 1);
        ends.A.Send(plan, "plan"u8, Soon, default);
        ends.A.Send(Key(1), "sum"u8, Soon, default);
        byte[] sum = new byte[3];
        ends.B.Receive(Key(1), sum, Soon, default);
        byte[] anything = new byte[100];
        (MessageKey key, int length) = ends.B.ReceiveAny(FrameKind.StepPlan, anything, Soon, default);
        Assert.Equal("sum"u8, sum);
        Assert.Equal((plan, 4), (key, length));
        Assert.Equal("plan"u8, anything.AsSpan(0, length));
    }

    [Fact]
    public void A_slow_peer_is_waited_for()
    {
        byte[] payload = Bytes(100, 4);
        TimeSpan widest, stall = TimeSpan.FromMilliseconds(500);
        Exception? error;
        do
        {
            (widest, error) = Trickle();
        }
        while (error is not null && widest > stall); // a sender that the machine held up did stall: once more
        Assert.Null(error);

        (TimeSpan Widest, Exception? Error) Trickle()
        {
            using Ends ends = Connect(options => options with { StallTimeout = stall });
            byte[] got = new byte[payload.Length];
            TimeSpan widest = TimeSpan.Zero;
            Exception? error = Record.Exception(() => Both(
                () =>
                {
                    RawWrite write = RawWriter(ends.A);
                    long last = Stopwatch.GetTimestamp();
                    foreach (byte one in Frame(payload))
                    {
                        int written = write([one]);
                        TimeSpan gap = Stopwatch.GetElapsedTime(last);
                        (last, widest) = (Stopwatch.GetTimestamp(), gap > widest ? gap : widest);
                        if (written != 1) return; // the receiver has given up, and says why
                        Thread.Sleep(5);
                    }
                },
                () => ends.B.Receive(Key(1), got, Soon, default)));
            if (error is null) Assert.Equal(payload, got);
            return (widest, error);
        }
    }

    [Fact]
    public void A_stall_in_mid_frame_is_its_own_error()
    {
        using Ends ends = Connect(options => options with { StallTimeout = TimeSpan.FromMilliseconds(100) });
        RawWriter(ends.A)(Frame(new byte[100]).AsSpan(0, 60));
        var error = Assert.Throws<FrameStalledException>(() => ends.B.Receive(Key(1), new byte[100], Soon, default));
        Assert.Equal("alice", error.Peer);
    }

    [Fact]
    public void A_peer_that_dies_in_mid_frame_is_named()
    {
        using Ends ends = Connect(options => options with { BufferBytes = SmallBuffer });
        ends.A.PostSend(Key(1), new byte[1 << 20]);
        ends.A.Progress();
        Exception? error = null;
        Both(
            () =>
            {
                Thread.Sleep(100);
                ends.A.Dispose();
            },
            () => error = Record.Exception(() => ends.B.Receive(Key(1), new byte[1 << 20], Soon, default)));
        var closed = Assert.IsType<PeerClosedException>(error);
        Assert.Equal("alice", closed.Peer);
        Assert.Equal(PeerEnd.Lost, closed.End);
        Assert.Contains("middle of a frame", closed.Message, StringComparison.Ordinal);
        Assert.Same(closed, Record.Exception(() => ends.B.PostSend(Key(2), new byte[1])));
    }

    [Fact]
    public void A_peer_that_leaves_in_good_order_is_an_error_only_for_who_needs_it()
    {
        using Ends ends = Connect();
        ends.A.Send(Key(1), "last"u8, Soon, default);
        ends.A.Dispose();
        byte[] got = new byte[4];
        ends.B.Receive(Key(1), got, Soon, default);
        Assert.Equal("last"u8, got);
        for (int i = 0; i < 10; i++) ends.B.Progress();
        var error = Assert.Throws<PeerClosedException>(() => ends.B.Receive(Key(2), got, Soon, default));
        Assert.Equal(("alice", PeerEnd.Orderly), (error.Peer, error.End));
    }

    [Fact]
    public void Sending_to_a_peer_that_left_is_an_error()
    {
        using Ends ends = Connect(options => options with { BufferBytes = SmallBuffer });
        ends.A.Dispose();
        var error = Assert.Throws<PeerClosedException>(() => ends.B.Send(Key(1), new byte[1 << 24], Soon, default));
        Assert.Equal("alice", error.Peer);
    }

    [Fact]
    public void A_receive_that_nothing_answers_ends_at_its_deadline_and_may_be_tried_again()
    {
        using Ends ends = Connect();
        byte[] got = new byte[3];
        long start = Stopwatch.GetTimestamp();
        Deadline deadline = Deadline.After(TimeSpan.FromMilliseconds(80));
        var error = Assert.Throws<WireTimeoutException>(() => ends.B.Receive(Key(1), got, deadline, default));
        Assert.True(Stopwatch.GetElapsedTime(start).TotalMilliseconds >= 79, "the deadline came early");
        Assert.Equal("alice", error.Peer);
        ends.A.Send(Key(1), "yes"u8, Soon, default);
        ends.B.Receive(Key(1), got, Soon, default);
        Assert.Equal("yes"u8, got);
    }

    [Fact]
    public void A_send_that_nobody_reads_ends_at_its_deadline()
    {
        using Ends ends = Connect(options => options with { BufferBytes = SmallBuffer });
        Deadline deadline = Deadline.After(TimeSpan.FromMilliseconds(80));
        var error = Assert.Throws<WireTimeoutException>(() => ends.A.Send(Key(1), new byte[64 << 20], deadline, default));
        Assert.Equal("bob", error.Peer);
        Assert.IsType<WireCanceledException>(ends.A.Failure);
    }

    [Fact]
    public void A_wait_can_be_cancelled()
    {
        using Ends ends = Connect();
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        Assert.Throws<OperationCanceledException>(() => ends.B.Receive(Key(1), new byte[3], Soon, cancel.Token));
        Assert.Null(ends.B.Failure);
    }

    [Fact]
    public void Garbage_is_refused_and_the_peer_named()
    {
        using Ends ends = Connect();
        RawWriter(ends.A)(Bytes(200, 3));
        var error = Assert.Throws<GarbledFrameException>(() => ends.B.Receive(Key(1), new byte[200], Soon, default));
        Assert.Equal("alice", error.Peer);
    }

    [Fact]
    public void A_frame_of_another_epoch_is_refused()
    {
        using Ends ends = Connect(Options(LinkRole.Dialer) with { Epoch = 6 }, Options(LinkRole.Listener));
        ends.A.Send(Key(1), "x"u8, Soon, default);
        Assert.Throws<WrongEpochException>(() => ends.B.Receive(Key(1), new byte[1], Soon, default));
    }

    [Fact]
    public void A_message_other_than_the_expected_one_says_both()
    {
        using Ends ends = Connect();
        ends.A.Send(Key(1), new byte[5], Soon, default);
        var error = Assert.Throws<UnexpectedMessageException>(() => ends.B.Receive(Key(2), new byte[4], Soon, default));
        Assert.Contains("tag 2 of exactly 4 bytes", error.Message, StringComparison.Ordinal);
        Assert.Contains("tag 1 of 5 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_stash_holds_the_peer_back_and_loses_nothing()
    {
        using Ends ends = Connect(options => options with { BufferBytes = SmallBuffer, MaxStashBytes = 1 << 20 });
        const int numBytes = 4 << 20;
        byte[] sent = Bytes(numBytes, 8);
        byte[] got = new byte[numBytes];
        Both(
            () => ends.A.Send(Key(1), sent, Soon, default),
            () =>
            {
                for (int i = 0; i < 200; i++)
                {
                    ends.B.Progress();
                    Thread.Sleep(1);
                }
                ends.B.Receive(Key(1), got, Soon, default);
            });
        Assert.True(sent.AsSpan().SequenceEqual(got));
    }

    [Fact]
    public void A_steady_exchange_allocates_nothing()
    {
        using Ends ends = Connect();
        const int warmUp = 50;
        const int rounds = 200;
        long allocated = -1;
        byte[] ofA = new byte[8192];
        byte[] ofB = new byte[8192];
        void Talk(Transport end, byte[] own, byte[] into, uint firstTag, int count)
        {
            for (uint i = 0; i < count; i++)
            {
                end.Send(Key(firstTag + i), own, Soon, default);
                end.Receive(Key(firstTag + i), into, Soon, default);
            }
        }

        Both(
            () =>
            {
                Talk(ends.A, ofA, new byte[8192], 0, warmUp);
                long before = GC.GetAllocatedBytesForCurrentThread();
                Talk(ends.A, ofA, ofB, warmUp, rounds);
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            },
            () => Talk(ends.B, ofB, new byte[8192], 0, warmUp + rounds));
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void Bytes_on_the_wire_are_counted_as_the_protocol_says()
    {
        using Ends ends = Connect();
        const int numBytes = 2 * FrameHeader.MaxPayload + 10;
        Both(() => ends.A.Send(Key(1), new byte[numBytes], Soon, default), () => ends.B.Receive(Key(1), new byte[numBytes], Soon, default));
        int perFrame = FrameHeader.Size + (IsSealed ? FrameHeader.SealBytes : 0);
        Assert.Equal((3L, numBytes + 3L * perFrame), ends.A.Sent);
    }

    protected virtual bool IsSealed => false;

    protected static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Runs both ends, each on its own thread, and rethrows what either throws.</summary>
    protected static void Both(Action a, Action b)
    {
        Exception? first = null;
        var threads = new List<Thread>();
        foreach (Action action in (Action[])[a, b])
        {
            var thread = new Thread(() =>
            {
                Exception? error = Record.Exception(action);
                if (error is not null) Interlocked.CompareExchange(ref first, error, null);
            })
            {
                IsBackground = true,
            };
            thread.Start();
            threads.Add(thread);
        }
        foreach (Thread thread in threads) Assert.True(thread.Join(Limit * 2), "a rank hangs");
        if (first is not null) throw new InvalidOperationException("one end failed", first);
    }

    private static byte[] SendThenReceive(Transport end, byte[] payload, int receiveBytes)
    {
        end.Send(Key(1), payload, Soon, default);
        byte[] got = new byte[receiveBytes];
        end.Receive(Key(1), got, Soon, default);
        return got;
    }

    /// <summary>A's first frame, for a message of <see cref="Key"/>(1).</summary>
    private byte[] Frame(byte[] payload)
    {
        TransportOptions options = Options(LinkRole.Dialer);
        var writer = new FrameWriter(options.Cipher, FrameHeader.MaxPayload);
        writer.Begin(new FrameHeader(FrameKind.Collective, FrameFlags.None, options.Epoch, 3, 0, 1, 0), payload);
        return writer.Staged.ToArray();
    }

    /// <summary>The channel under the frames, for bytes that no honest writer sends.</summary>
    private static RawWrite RawWriter(Transport end) =>
        typeof(Transport).GetMethod("TryWrite", BindingFlags.Instance | BindingFlags.NonPublic)!.CreateDelegate<RawWrite>(end);
}
