namespace Exo.Net.Cluster;

/// <summary>What a detector holds against a peer.</summary>
public enum Silence
{
    /// <summary>Nothing came from it.</summary>
    Unheard,
    /// <summary>It is heard, and says that it hears nothing: the edge is open one way only.</summary>
    Deaf,
}

/// <summary>
/// Decides from heartbeats who is down: a pure state machine, its clock passed in. An edge is up while both directions are, so each
/// beat says which of ours was heard last. A detector whose own tick comes late was itself away (a busy machine, sleep) and cannot
/// tell its own absence from the peers': it accuses nobody and gives everyone a fresh start. Where ticks come somewhat late, here or by
/// a peer's own word there, beats will too, and more is needed to be sure: then the limit is longer (as Lifeguard's is).
/// </summary>
public sealed class FailureDetector
{
    /// <summary>Between beats.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>A peer that was silent for this long is down, where neither machine is busy.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>A peer that was silent for this long is down, however busy the machines are.</summary>
    public static readonly TimeSpan MaxLimit = TimeSpan.FromSeconds(4);

    /// <summary>A tick that comes later than this after its time is late.</summary>
    public static readonly TimeSpan Lateness = TimeSpan.FromMilliseconds(200);

    // Ranks that compute on every core hold a thread up for this long.
    private static readonly TimeSpan UsualLateness = TimeSpan.FromMilliseconds(25);
    private const int StretchPerLateness = 8;
    private const int TicksOfMean = 16;

    private readonly Peer[] _peers;
    private TimeSpan? _lastTick;

    private struct Peer
    {
        public TimeSpan Lateness;
        public TimeSpan LastHeard;
        public TimeSpan LastEchoed;
        public ulong Echo;
        public bool IsUp;
        public bool IsDown;
    }

    /// <summary>
    /// How late ticks come here, which peers are to be told: a mean that forgets within a second or two, so that a burst (a model is
    /// loaded) hardly counts and a machine that is busy all the time does.
    /// </summary>
    public TimeSpan OwnLateness { get; private set; }

    /// <summary>Watches peers 0 to <paramref name="numPeers"/> - 1. None is accused before it was heard once.</summary>
    public FailureDetector(int numPeers) => _peers = new Peer[numPeers];

    /// <summary>True once a peer was heard and has heard us.</summary>
    public bool IsUp(int peer) => _peers[peer].IsUp && !_peers[peer].IsDown;

    /// <summary>
    /// A beat came; <paramref name="echo"/> is the number of the last beat of ours that the peer had heard, 0 for none, and
    /// <paramref name="lateness"/> the peer's <see cref="OwnLateness"/>.
    /// </summary>
    public void Hear(int peer, ulong echo, TimeSpan lateness, TimeSpan now)
    {
        ref var state = ref _peers[peer];
        (state.LastHeard, state.Lateness) = (now, lateness);
        if (echo > state.Echo)
        {
            (state.Echo, state.LastEchoed, state.IsUp) = (echo, now, true);
        }
    }

    /// <summary>To be called every <see cref="Interval"/>; returns a peer that has just been found down, once each, or null.</summary>
    public (int Peer, Silence Silence, TimeSpan For)? Tick(TimeSpan now)
    {
        var late = _lastTick is { } last ? now - last - Interval : TimeSpan.Zero;
        bool isLate = late > Lateness;
        _lastTick = now;
        OwnLateness += (TimeSpan.FromTicks(Math.Clamp(late.Ticks, 0, Lateness.Ticks)) - OwnLateness) / TicksOfMean;
        for (int i = 0; i < _peers.Length; i++)
        {
            ref var state = ref _peers[i];
            if (!state.IsUp || state.IsDown)
                continue;
            if (isLate)
                (state.LastHeard, state.LastEchoed) = (now, now);
            var limit = LimitFor(state.Lateness);
            Silence? silence = now - state.LastHeard >= limit ? Silence.Unheard : now - state.LastEchoed >= limit ? Silence.Deaf : null;
            if (silence is { } found)
            {
                state.IsDown = true;
                return (i, found, limit);
            }
        }
        return null;
    }

    private TimeSpan LimitFor(TimeSpan peersLateness)
    {
        var larger = peersLateness > OwnLateness ? peersLateness : OwnLateness;
        if (larger <= UsualLateness)
            return Limit;
        var stretched = Limit + (StretchPerLateness * (larger - UsualLateness));
        return stretched < MaxLimit ? stretched : MaxLimit;
    }
}
