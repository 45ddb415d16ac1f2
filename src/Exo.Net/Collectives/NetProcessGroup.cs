using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Collectives;

/// <summary>
/// Ranks in several processes or threads, connected pair by pair. One thread a rank calls it; every wait progresses all connections
/// of the thread. Any error ends the group: its connections are closed, so that the peers learn of it at once.
/// </summary>
public sealed partial class NetProcessGroup : ProcessGroup, IDisposable
{
    private readonly Transport?[] _transports;
    private readonly TransportSet _set;
    private readonly ProcessGroupOptions _options;
    private readonly CancellationToken _cancel;
    private readonly long[] _lastTicket;
    private byte[] _outgoing = [];
    private byte[] _incoming = [];
    private uint _step;
    private uint _tag;

    /// <param name="rank">This rank.</param>
    /// <param name="transports">[worldSize] the connection to each rank, null for this one. Owned from here on.</param>
    /// <param name="set">All connections of this thread: this group's and those of other groups that it belongs to.</param>
    /// <param name="options">The same on every rank.</param>
    /// <param name="cancel">Ends the group.</param>
    public NetProcessGroup(
        int rank, ReadOnlySpan<Transport?> transports, TransportSet set, ProcessGroupOptions options, CancellationToken cancel)
    {
        for (int peer = 0; peer < transports.Length; peer++)
        {
            if (transports[peer] is null != (peer == rank)) throw new ArgumentException($"rank {rank}: expected a connection to each other rank, not so for {peer}");
        }
        Rank = rank;
        _transports = transports.ToArray();
        _set = set;
        _options = options;
        _cancel = cancel;
        _lastTicket = new long[transports.Length];
    }

    /// <inheritdoc/>
    public override int Rank { get; }

    /// <inheritdoc/>
    public override int WorldSize => _transports.Length;

    /// <summary>Frames and bytes sent to all ranks since the start, headers and tags included.</summary>
    public (long Frames, long Bytes) Sent
    {
        get
        {
            (long frames, long bytes) = (0, 0);
            foreach (Transport? transport in _transports)
            {
                if (transport is null) continue;
                frames += transport.Sent.Frames;
                bytes += transport.Sent.Bytes;
            }
            return (frames, bytes);
        }
    }

    /// <summary>
    /// Numbers the operations anew under a step number, so that ranks which are not at the same step find out. Call it on every rank.
    /// </summary>
    public void BeginStep(uint step)
    {
        _step = step;
        _tag = 0;
    }

    /// <inheritdoc/>
    public override void AllGather(ReadOnlySpan<byte> local, Span<byte> all)
    {
        if (all.Length != (long)local.Length * WorldSize)
            throw new ArgumentException($"expected room for {WorldSize} times {local.Length} bytes, got {all.Length}", nameof(all));
        local.CopyTo(all[(Rank * local.Length)..]);
        if (local.IsEmpty) return;
        try
        {
            MessageKey key = NextKey();
            Memory<byte> incoming = Grow(ref _incoming, all.Length);
            Memory<byte> outgoing = Grow(ref _outgoing, local.Length);
            local.CopyTo(outgoing.Span);
            for (int peer = 0; peer < WorldSize; peer++)
            {
                if (peer != Rank) PostReceive(peer, key, incoming.Slice(peer * local.Length, local.Length));
            }
            for (int peer = 0; peer < WorldSize; peer++)
            {
                if (peer != Rank) PostSend(peer, key, outgoing);
            }
            Deadline deadline = NewDeadline();
            for (int peer = 0; peer < WorldSize; peer++)
            {
                if (peer == Rank) continue;
                WaitReceived(peer, deadline);
                incoming.Span.Slice(peer * local.Length, local.Length).CopyTo(all[(peer * local.Length)..]);
            }
            WaitSent(deadline);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Broadcast(int root, Span<byte> bytes)
    {
        CheckRank(root);
        try
        {
            MessageKey key = NextKey();
            if (root != Rank)
            {
                _transports[root]!.Receive(key, bytes, NewDeadline(), _cancel);
                return;
            }
            Memory<byte> outgoing = Grow(ref _outgoing, bytes.Length);
            bytes.CopyTo(outgoing.Span);
            for (int peer = 0; peer < WorldSize; peer++)
            {
                if (peer != Rank) PostSend(peer, key, outgoing);
            }
            WaitSent(NewDeadline());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Send(int rank, ReadOnlySpan<byte> bytes)
    {
        CheckPeer(rank);
        try
        {
            _transports[rank]!.Send(new MessageKey(FrameKind.PointToPoint, _step, 0), bytes, NewDeadline(), _cancel);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Receive(int rank, Span<byte> bytes)
    {
        CheckPeer(rank);
        try
        {
            _transports[rank]!.Receive(new MessageKey(FrameKind.PointToPoint, _step, 0), bytes, NewDeadline(), _cancel);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Leaves the group. Called by the rank's own thread; others cancel.</summary>
    public void Dispose()
    {
        foreach (Transport? transport in _transports) transport?.Dispose();
    }

    private static Memory<byte> Grow(ref byte[] buffer, int numBytes)
    {
        if (buffer.Length < numBytes) buffer = new byte[Math.Max(numBytes, 2 * buffer.Length)];
        return buffer.AsMemory(0, numBytes);
    }

    private Deadline NewDeadline() => Deadline.After(_options.OperationTimeout);

    private MessageKey NextKey() => new(FrameKind.Collective, _step, _tag++);

    private void PostSend(int peer, in MessageKey key, ReadOnlyMemory<byte> payload)
    {
        Transport transport = _transports[peer]!;
        if (transport.NumPendingSends == Transport.MaxPendingSends) _set.Wait(WaitFor.Sends, transport, NewDeadline(), _cancel);
        transport.PostSend(key, payload);
    }

    private void PostReceive(int peer, in MessageKey key, Memory<byte> destination) =>
        _lastTicket[peer] = _transports[peer]!.PostReceive(key, destination);

    /// <summary>Waits for the receive that was posted last, and so for all before it.</summary>
    private void WaitReceived(int peer, Deadline deadline) =>
        _set.WaitReceived(_transports[peer]!, FrameKind.Collective, _lastTicket[peer], deadline, _cancel);

    private void WaitSent(Deadline deadline)
    {
        foreach (Transport? transport in _transports)
        {
            if (transport is not null) _set.Wait(WaitFor.Sends, transport, deadline, _cancel);
        }
    }

    private void CheckRank(int rank) => ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)rank, (uint)WorldSize);

    private void CheckPeer(int rank)
    {
        CheckRank(rank);
        if (rank == Rank) throw new ArgumentException($"rank {rank} does not send to itself", nameof(rank));
    }
}
