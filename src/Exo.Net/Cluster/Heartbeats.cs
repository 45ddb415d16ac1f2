using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Exo.Net.Wire;

namespace Exo.Net.Cluster;

/// <summary>How far a rank's compute thread has come: written by it, read by the heartbeat thread.</summary>
public sealed class ComputeProgress
{
    private ulong _place;

    /// <summary>The step under way and how many operations of it are done.</summary>
    public (uint Step, uint Operation) Place
    {
        get
        {
            ulong place = Volatile.Read(ref _place);
            return ((uint)(place >> 32), (uint)place);
        }
        set => Volatile.Write(ref _place, ((ulong)value.Step << 32) | value.Operation);
    }
}

/// <summary>A rank that heartbeats are exchanged with. The cipher belongs to the heartbeats from here on.</summary>
internal sealed record HeartbeatPeer(int Rank, string Name, IPEndPoint Address, LinkCipher Cipher);

/// <summary>
/// UDP heartbeats between the ranks of a plan, from a thread of their own: a rank that computes still beats, one that is stopped or
/// dead does not. Sealed under a key of the control connection, and each number is accepted once, so nobody else can keep a dead node
/// alive.
/// </summary>
internal sealed class Heartbeats : IDisposable
{
    private readonly Socket _socket;
    private readonly uint _epoch;
    private readonly int _rank;
    private readonly ComputeProgress _progress;
    private readonly ManualResetEventSlim _allUp = new();
    private HeartbeatPeer[] _peers = [];
    private FailureDetector _detector = new(0);
    private Progress[] _seen = [];
    private Action<HeartbeatPeer, string>? _onDown;
    private Thread? _thread;
    private volatile bool _stop;

    private struct Progress
    {
        public ulong LastNumber;
        public uint Step;
        public uint Operation;
    }

    /// <summary>Takes a free port of the address.</summary>
    public Heartbeats(IPAddress address, uint epoch, int rank, ComputeProgress progress)
    {
        (_epoch, _rank, _progress) = (epoch, rank, progress);
        _socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        _socket.Bind(new IPEndPoint(address, 0));
    }

    /// <summary>Where beats are to be sent.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>
    /// Begins to beat. <paramref name="onDown"/> is called on the heartbeat thread, once for each peer that goes down, with what was seen.
    /// </summary>
    public void Start(HeartbeatPeer[] peers, Action<HeartbeatPeer, string> onDown)
    {
        (_peers, _onDown) = (peers, onDown);
        (_detector, _seen) = (new FailureDetector(peers.Length), new Progress[peers.Length]);
        _thread = new Thread(Beat) { IsBackground = true, Name = $"heartbeats {_epoch}", Priority = ThreadPriority.AboveNormal };
        _thread.Start();
    }

    /// <summary>Waits until every edge is up both ways.</summary>
    /// <exception cref="NodeFailedException">An edge did not come up in time; its peer is named.</exception>
    public void WaitUntilUp(TimeSpan timeout, CancellationToken cancel)
    {
        if (_allUp.Wait(timeout, cancel))
            return;
        var missing = _peers.Where((_, i) => !_detector.IsUp(i)).ToArray();
        throw new NodeFailedException(missing[0].Name,
            $"no heartbeats both ways within {timeout.TotalSeconds:0.#} s at {missing[0].Address} (is UDP let through?)");
    }

    /// <summary>What a peer's compute thread had done when it was last heard.</summary>
    public (uint Step, uint Operation) ProgressOf(int peer)
    {
        lock (_seen)
            return (_seen[peer].Step, _seen[peer].Operation);
    }

    /// <summary>Stops, and forgets the keys.</summary>
    public void Dispose()
    {
        _stop = true;
        // What onDown sets off may come back here on the same thread, which then ends by itself.
        if (_thread != Thread.CurrentThread)
            _thread?.Join();
        _socket.Dispose();
        foreach (var peer in _peers)
            peer.Cipher.Dispose();
        _allUp.Dispose();
    }

    private void Beat()
    {
        var datagram = new byte[HeartbeatMessage.SizeBytes + 1];
        long start = Stopwatch.GetTimestamp();
        var next = TimeSpan.Zero;
        for (ulong number = 1; !_stop; number++)
        {
            Send(datagram, number);
            var now = Stopwatch.GetElapsedTime(start);
            // After a pause the beats missed are not made up for.
            next = now - next > FailureDetector.Lateness ? now + FailureDetector.Interval : next + FailureDetector.Interval;
            while (!_stop && (now = Stopwatch.GetElapsedTime(start)) < next)
                Receive(datagram, next - now, start);
            // What came while this thread was away counts before anyone is judged.
            while (!_stop && _socket.Available > 0)
                Receive(datagram, TimeSpan.Zero, start);
            if (_stop)
                return;
            while (!_stop && _detector.Tick(Stopwatch.GetElapsedTime(start)) is { } down)
                _onDown!(_peers[down.Peer], Explain(down.Peer, down.Silence, down.For));
        }
    }

    private void Send(byte[] datagram, ulong number)
    {
        var (step, operation) = _progress.Place;
        uint lateMs = (uint)Math.Min(_detector.OwnLateness.TotalMilliseconds, uint.MaxValue);
        for (int i = 0; i < _peers.Length; i++)
        {
            new HeartbeatMessage(_epoch, _rank, number, _seen[i].LastNumber, step, operation, lateMs).Format(datagram, _peers[i].Cipher);
            try
            {
                _socket.SendTo(datagram.AsSpan(0, HeartbeatMessage.SizeBytes), SocketFlags.None, _peers[i].Address);
            }
            catch (SocketException)
            {
                // Unreachable for now, or for good: the silence will tell.
            }
        }
    }

    private void Receive(byte[] datagram, TimeSpan timeout, long start)
    {
        int length;
        try
        {
            if (!_socket.Poll(timeout, SelectMode.SelectRead))
                return;
            EndPoint from = new IPEndPoint(_socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
            length = _socket.ReceiveFrom(datagram, SocketFlags.None, ref from);
        }
        catch (SocketException)
        {
            return; // an ICMP answer to a beat that nobody took, or a datagram too long to be one
        }
        int claimed = HeartbeatMessage.ClaimedRank(datagram.AsSpan(0, length), _epoch);
        int peer = Array.FindIndex(_peers, p => p.Rank == claimed);
        if (peer < 0 || HeartbeatMessage.TryOpen(datagram.AsSpan(0, length), _peers[peer].Cipher) is not { } beat)
            return;
        lock (_seen)
        {
            if (beat.Number <= _seen[peer].LastNumber)
                return;
            _seen[peer] = new Progress { LastNumber = beat.Number, Step = beat.Step, Operation = beat.Operation };
        }
        _detector.Hear(peer, beat.Echo, TimeSpan.FromMilliseconds(beat.LateMs), Stopwatch.GetElapsedTime(start));
        if (!_allUp.IsSet && Enumerable.Range(0, _peers.Length).All(_detector.IsUp))
            _allUp.Set();
    }

    private string Explain(int peer, Silence silence, TimeSpan time)
    {
        var (step, operation) = ProgressOf(peer);
        string what = silence == Silence.Unheard ? "silent" : "heard, but hearing nothing from here";
        return $"{what} for {time.TotalSeconds:0.0} s (last seen in step {step}, operation {operation})";
    }
}
