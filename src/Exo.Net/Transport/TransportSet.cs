using System.Diagnostics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>What a wait waits for.</summary>
public enum WaitFor
{
    /// <summary>Every posted send is out.</summary>
    Sends,

    /// <summary>Every posted receive is complete.</summary>
    Receives,

    /// <summary>Both.</summary>
    Everything,
}

/// <summary>
/// The connections that one thread drives. Every wait progresses all of them, both ways: no order of sends can hang the ranks, and
/// the end of any connection ends the wait with an error that names its peer.
/// </summary>
public sealed class TransportSet
{
    private const int SleepMs = 20; // Cancellation is looked at this often; a lost wake-up would cost no more.
    private const int ChecksEvery = 64;

    // Where other processes want the core each offer lasts a time slice, and the end of a connection is only seen asleep.
    private static readonly TimeSpan MaxYielding = TimeSpan.FromMilliseconds(2);
    private const int ProbeEvery = 64;

    // Two ranks that wake each other in turn may stay on one core beside a free one: no balancer ever sees two that want to run. A rare
    // spin of some scheduler ticks shows it both.
    private const int LongProbeEvery = 4096;
    private const int LongProbe = 256;
    private readonly Transport[] _transports;
    private readonly Poller _poller;
    private readonly int[] _pollIndex;
    private readonly WaitPolicy _policy;
    private readonly int _attemptPauses;
    private int _pauseLimit;
    private uint _numWaits;

    public TransportSet(ReadOnlySpan<Transport> transports, WaitPolicy policy)
    {
        _transports = transports.ToArray();
        _policy = policy;
        _pauseLimit = policy.Pauses;
        _poller = new Poller(_transports.Length);
        _pollIndex = new int[_transports.Length];
        foreach (Transport transport in _transports)
        {
            transport.Join(this);
            _attemptPauses += transport.AttemptPauses;
        }
    }

    private readonly record struct Goal(WaitFor What, Transport? Only, FrameKind Kind, long Ticket);

    /// <summary>Moves what can be moved now; true if anything moved.</summary>
    /// <exception cref="WireException">A connection ended.</exception>
    public bool Progress()
    {
        bool moved = false;
        foreach (Transport transport in _transports) moved |= transport.Progress();
        return moved;
    }

    /// <summary>Waits until what was posted on <paramref name="only"/> (on every connection, if null) is done.</summary>
    /// <exception cref="WireException">A connection ended, or the deadline passed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Wait(WaitFor what, Transport? only, Deadline deadline, CancellationToken cancel) =>
        Wait(new Goal(what, only, default, -1), deadline, cancel);

    /// <summary>Waits until one receive is complete.</summary>
    /// <exception cref="WireException">A connection ended, or the deadline passed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void WaitReceived(Transport from, FrameKind kind, long ticket, Deadline deadline, CancellationToken cancel) =>
        Wait(new Goal(WaitFor.Receives, from, kind, ticket), deadline, cancel);

    /// <summary>Takes back everything that is pending on every connection (<see cref="Transport.Withdraw"/>).</summary>
    public void Withdraw()
    {
        foreach (Transport transport in _transports) transport.Withdraw();
    }

    /// <summary>
    /// Spinning pays if the peer runs on another core now; if both share one, it only keeps the peer from running. Which it is, is
    /// learnt: a spin in vain shortens the next one by an eighth, a spin that is rewarded restores it, and now and then one is tried.
    /// </summary>
    private void Wait(in Goal goal, Deadline deadline, CancellationToken cancel)
    {
        int limit = NextPauseLimit();
        int pauses = 0;
        int yields = 0;
        long yieldingSince = 0;
        for (uint attempt = 0; !IsMet(goal); attempt++)
        {
            if (attempt % ChecksEvery == ChecksEvery - 1) Check(goal, deadline, cancel);
            if (Progress())
            {
                if (pauses > 0 && pauses < limit) _pauseLimit = _policy.Pauses;
                pauses = 0;
                yields = 0;
            }
            else if (pauses < limit)
            {
                Pause();
                pauses += 1 + _attemptPauses;
                if (pauses >= limit) _pauseLimit -= (_pauseLimit + 7) / 8;
            }
            else if (yields < _policy.Yields && (yields == 0 || Stopwatch.GetElapsedTime(yieldingSince) < MaxYielding))
            {
                if (yields++ == 0) yieldingSince = Stopwatch.GetTimestamp();
                Thread.Yield();
            }
            else
            {
                Check(goal, deadline, cancel);
                Sleep(deadline.RemainingMs(SleepMs));
            }
        }
    }

    private int NextPauseLimit()
    {
        bool sleeps = _pauseLimit < _policy.Pauses / 2;
        _numWaits++;
        if (sleeps && _policy.Yields == 0 && _numWaits % LongProbeEvery == 0) return LongProbe * _policy.Pauses;
        return _numWaits % ProbeEvery == 0 ? _policy.Pauses : _pauseLimit;
    }

    private bool IsMet(in Goal goal)
    {
        if (goal.Ticket >= 0) return goal.Only!.IsReceived(goal.Kind, goal.Ticket);
        if (goal.Only is not null) return IsMet(goal.What, goal.Only);
        foreach (Transport transport in _transports)
        {
            if (!IsMet(goal.What, transport)) return false;
        }
        return true;
    }

    private static bool IsMet(WaitFor what, Transport transport) => what switch
    {
        WaitFor.Sends => transport.NumPendingSends == 0,
        WaitFor.Receives => transport.NumPendingReceives == 0,
        _ => transport.NumPendingSends == 0 && transport.NumPendingReceives == 0,
    };

    private void Check(in Goal goal, Deadline deadline, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (!deadline.IsPast) return;
        Transport? late = goal.Only;
        foreach (Transport transport in _transports)
        {
            if (late is null && !IsMet(goal.What, transport)) late = transport;
        }
        if (late is null) return;
        string what = late.NumPendingReceives > 0 ? $"{late.NumPendingReceives} receives were pending" : "a send was pending";
        throw new WireTimeoutException(late.Peer, what);
    }

    private void Sleep(int timeoutMs)
    {
        bool maySleep = true;
        int armed = 0;
        _poller.Clear();
        for (; armed < _transports.Length && maySleep; armed++)
        {
            Transport transport = _transports[armed];
            maySleep = transport.TryArm();
            AddToPoll(armed, transport);
        }
        bool woken = maySleep && _poller.Wait(timeoutMs);
        for (int i = 0; i < armed; i++)
        {
            Transport transport = _transports[i];
            transport.Disarm();
            int index = _pollIndex[i];
            if (woken && index >= 0 && _poller.IsReady(index)) transport.OnPolled(_poller.IsReadable(index) ? PollEnd.Open : PollEnd.HungUp);
        }
        if (!maySleep) return;
        long now = Stopwatch.GetTimestamp();
        foreach (Transport transport in _transports) transport.CheckStall(now);
    }

    private void AddToPoll(int i, Transport transport)
    {
        _pollIndex[i] = -1;
        if (transport.IsChannelClosed) return;
        (nint descriptor, PollInterest interest) = transport.WaitHandle;
        _pollIndex[i] = _poller.Add(descriptor, interest);
    }

    private static void Pause()
    {
        if (X86Base.IsSupported) X86Base.Pause();
        else if (ArmBase.IsSupported) ArmBase.Yield();
        else Thread.SpinWait(1);
    }
}
