using System.Net.Sockets;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// Two rings in memory that both ends see, and a stream socket between them that carries no messages: a byte on it wakes a sleeper,
/// its end says that the peer is gone. A sleeping rank sees that at once, a spinning one as soon as it sleeps or a check is due.
/// </summary>
public abstract class RingTransport : Transport
{
    /// <summary>Capacity of each ring unless the options say otherwise: the largest frame and some more.</summary>
    protected const int DefaultRingBytes = 1 << 20;

    private readonly ByteRing _incoming;
    private readonly ByteRing _outgoing;
    private readonly Socket _bell;
    private readonly SocketIo _bellIo;
    private readonly byte[] _bellBytes = GC.AllocateArray<byte>(64, pinned: true);
    private bool _closed;

    private protected RingTransport(string peer, TransportOptions options, ByteRing incoming, ByteRing outgoing, Socket bell)
        : base(peer, options, inlineBytes: 0)
    {
        _incoming = incoming;
        _outgoing = outgoing;
        _bell = bell;
        _bellIo = new SocketIo(bell);
    }

    protected internal override int AttemptPauses => 0;

    protected internal override (nint Descriptor, PollInterest Interest) WaitHandle => (_bellIo.Descriptor, PollInterest.Read);

    protected internal override bool TryArm()
    {
        if (_closed) return true;
        if (!IsReadBlocked) _incoming.SetReaderSleeps();
        if (WantsWrite) _outgoing.SetWriterSleeps();
        Interlocked.MemoryBarrier();
        return (IsReadBlocked || _incoming.Peek().IsEmpty) && !(WantsWrite && _outgoing.HasRoom());
    }

    protected internal override void Disarm()
    {
        if (_closed) return;
        _incoming.TakeReaderSleeps();
        _outgoing.TakeWriterSleeps();
    }

    protected internal override void OnPolled(PollEnd end)
    {
        while (!_closed && !IsChannelClosed)
        {
            int received = _bellIo.Receive(_bellBytes);
            IsChannelClosed = received < 0;
            if (received < _bellBytes.Length) return;
        }
    }

    protected override int TryWrite(ReadOnlySpan<byte> bytes)
    {
        if (_closed) return 0;
        if (IsChannelClosed) throw new PeerClosedException(Peer, "while it was sent to");
        int written = _outgoing.Write(bytes);
        if (written == 0) return 0;
        // The sleeper sets its flag, fences and looks for data; we write, fence and look for the flag: one of us sees the other.
        Interlocked.MemoryBarrier();
        if (_outgoing.TakeReaderSleeps()) Ring();
        return written;
    }

    protected override ReadOnlySpan<byte> Peek() => _closed ? default : _incoming.Peek();

    protected override void Consume(int numBytes)
    {
        if (_closed) return;
        _incoming.Consume(numBytes);
        Interlocked.MemoryBarrier();
        if (_incoming.TakeWriterSleeps()) Ring();
    }

    protected override void Close()
    {
        if (_closed) return;
        _closed = true;
        _bell.Dispose();
        ReleaseMemory();
    }

    /// <summary>Gives the rings' memory back; they are not touched any more.</summary>
    protected abstract void ReleaseMemory();

    private void Ring()
    {
        // A full socket buffer holds a byte that wakes the peer already; a broken socket is noticed by poll.
        _bellIo.Send(_bellBytes.AsSpan(0, 1));
    }
}
