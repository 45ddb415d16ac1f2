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
/// tell its own absence from the peers': it accuses nobody and gives everyone a fresh start.
/// </summary>
public sealed class FailureDetector
{
    /// <summary>Between beats.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>A peer that was silent for this long is down.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    /// <summary>A tick that comes later than this after its time is late.</summary>
    public static readonly TimeSpan Lateness = TimeSpan.FromMilliseconds(200);

    private readonly Peer[] _peers;
    private TimeSpan? _lastTick;

    private struct Peer
    {
        public TimeSpan LastHeard;
        public TimeSpan LastEchoed;
        public ulong Echo;
        public bool IsUp;
        public bool IsDown;
    }

    /// <summary>Watches peers 0 to <paramref name="numPeers"/> - 1. None is accused before it was heard once.</summary>
    public FailureDetector(int numPeers) => _peers = new Peer[numPeers];

    /// <summary>True once a peer was heard and has heard us.</summary>
    public bool IsUp(int peer) => _peers[peer].IsUp && !_peers[peer].IsDown;

    /// <summary>A beat came; <paramref name="echo"/> is the number of the last beat of ours that the peer had heard, 0 for none.</summary>
    public void Hear(int peer, ulong echo, TimeSpan now)
    {
        ref var state = ref _peers[peer];
        state.LastHeard = now;
        if (echo > state.Echo)
        {
            (state.Echo, state.LastEchoed, state.IsUp) = (echo, now, true);
        }
    }

    /// <summary>To be called every <see cref="Interval"/>; returns a peer that has just been found down, once each, or null.</summary>
    public (int Peer, Silence Silence)? Tick(TimeSpan now)
    {
        bool isLate = _lastTick is { } last && now - last > Interval + Lateness;
        _lastTick = now;
        for (int i = 0; i < _peers.Length; i++)
        {
            ref var state = ref _peers[i];
            if (!state.IsUp || state.IsDown)
                continue;
            if (isLate)
                (state.LastHeard, state.LastEchoed) = (now, now);
            Silence? silence = now - state.LastHeard >= Limit ? Silence.Unheard : now - state.LastEchoed >= Limit ? Silence.Deaf : null;
            if (silence is { } found)
            {
                state.IsDown = true;
                return (i, found);
            }
        }
        return null;
    }
}
