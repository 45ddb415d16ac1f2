using System.Diagnostics;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <content>What moves bytes, and what an heir supplies.</content>
public abstract partial class Transport
{
    private const int MaxRoundsPerProgress = 64;
    private TransportSet? _set;
    private bool _frameUnderWay;
    private int _directOffset;
    private int _directEnd;
    private bool _blocked;
    private bool _peerSaidGoodbye;
    private bool _readSinceCheck;
    private long _lastReadTimestamp;
    private long _sentFrames;
    private long _sentBytes;

    /// <summary>True once the channel is known to be closed by the peer; bytes that it left may still be read.</summary>
    protected internal bool IsChannelClosed { get; protected set; }

    /// <summary>True while bytes to be sent wait for the channel.</summary>
    protected internal bool WantsWrite => _frameUnderWay;

    /// <summary>True while frames are left in the channel because the stash is full.</summary>
    protected internal bool IsReadBlocked => _blocked;

    /// <summary>What an attempt that finds nothing costs, in pause instructions.</summary>
    protected internal abstract int AttemptPauses { get; }

    /// <summary>The descriptor to poll while the thread sleeps, and what for.</summary>
    protected internal abstract (nint Descriptor, PollInterest Interest) WaitHandle { get; }

    /// <summary>Writes what the channel takes at once, 0 if nothing.</summary>
    /// <exception cref="PeerClosedException">The peer is gone.</exception>
    protected abstract int TryWrite(ReadOnlySpan<byte> bytes);

    /// <summary>Bytes that have come, contiguous, empty if none; sets <see cref="IsChannelClosed"/> at the end.</summary>
    protected abstract ReadOnlySpan<byte> Peek();

    /// <summary>Drops bytes that <see cref="Peek"/> gave.</summary>
    protected abstract void Consume(int numBytes);

    /// <summary>Reads into the caller's memory past any buffer: the number of bytes, or -1 if Peek is the better way now.</summary>
    protected virtual int TryReadDirect(Span<byte> destination) => -1;

    /// <summary>Announces that the thread will sleep; false if there is something to do after all.</summary>
    protected internal abstract bool TryArm();

    /// <summary>The thread is awake again.</summary>
    protected internal abstract void Disarm();

    /// <summary>The descriptor is ready.</summary>
    protected internal abstract void OnPolled(PollEnd end);

    /// <summary>Releases the channel; may be called twice.</summary>
    protected abstract void Close();

    /// <summary>Moves what can be moved without waiting; true if anything moved.</summary>
    /// <exception cref="WireException">The connection ended.</exception>
    public bool Progress()
    {
        ThrowIfEnded();
        try
        {
            bool sent = ProgressSends();
            return ProgressReceives() | sent;
        }
        catch (WireException error)
        {
            throw Fail(error);
        }
    }

    internal void Join(TransportSet set) => _set = set;

    /// <summary>Ends the connection if a frame has stalled. Called when nothing moves.</summary>
    internal void CheckStall(long now)
    {
        bool isOverdue = _lastReadTimestamp != 0 && Stopwatch.GetElapsedTime(_lastReadTimestamp, now) > _options.StallTimeout;
        // It may be this thread that was away for so long (a busy machine, sleep): what has come meanwhile counts first.
        if (isOverdue && !_readSinceCheck) Progress();
        if (_readSinceCheck || _lastReadTimestamp == 0 || !_reader.IsMidFrame || _blocked)
        {
            _readSinceCheck = false;
            _lastReadTimestamp = now;
        }
        else if (isOverdue)
        {
            throw Fail(new FrameStalledException(Peer, _options.StallTimeout));
        }
    }

    private bool ProgressReceives()
    {
        bool moved = false;
        for (int round = 0; round < MaxRoundsPerProgress; round++)
        {
            if (!ReadOnce()) break;
            moved = true;
        }
        _readSinceCheck |= moved;
        return moved;
    }

    private bool ReadOnce()
    {
        bool isGoodbye = _reader.State != FrameReaderState.Header && _reader.Header.Kind == FrameKind.Goodbye;
        if (isGoodbye) return ReadGoodbye();
        switch (_reader.State)
        {
            case FrameReaderState.Header:
                return ReadHeader();
            case FrameReaderState.Body:
                return OpenIfBlocked() && ReadBody();
            default:
                if (!OpenIfBlocked()) return false;
                Lane(_reader.Header.Kind).CloseFrame(_reader.Header);
                _reader.Next();
                return true;
        }
    }

    private bool ReadHeader()
    {
        ReadOnlySpan<byte> input = Peek();
        if (input.IsEmpty)
        {
            if (IsChannelClosed) OnClosed();
            return false;
        }
        Consume(_reader.Push(input, default));
        if (_reader.State == FrameReaderState.Header || _reader.Header.Kind == FrameKind.Goodbye) return true;
        _blocked = true;
        OpenIfBlocked();
        return true;
    }

    private bool OpenIfBlocked()
    {
        if (_blocked) _blocked = !Lane(_reader.Header.Kind).TryOpen(_reader.Header);
        return !_blocked;
    }

    private bool ReadBody()
    {
        Span<byte> payload = Lane(_reader.Header.Kind).OpenPayload(_reader.Header.Length);
        int direct = _reader.DirectBytes > 0 ? TryReadDirect(payload[^_reader.DirectBytes..]) : -1;
        if (direct > 0)
        {
            _reader.AdvanceDirect(direct);
            return true;
        }
        ReadOnlySpan<byte> input = direct == 0 ? default : Peek();
        if (input.IsEmpty)
        {
            if (IsChannelClosed) OnClosed();
            return false;
        }
        Consume(_reader.Push(input, payload));
        return true;
    }

    private bool ReadGoodbye()
    {
        if (_reader.Header.Length != 0) throw new GarbledFrameException(Peer, $"expected a goodbye of 0 bytes, got {_reader.Header.Length}");
        if (_reader.State == FrameReaderState.Body)
        {
            // Sealed: sixteen bytes of tag follow.
            ReadOnlySpan<byte> input = Peek();
            if (input.IsEmpty && IsChannelClosed) OnClosed();
            Consume(_reader.Push(input, default));
            return !input.IsEmpty;
        }
        _peerSaidGoodbye = true;
        _reader.Next();
        return true;
    }

    private void OnClosed()
    {
        if (_reader.IsMidFrame) throw new PeerClosedException(Peer, "in the middle of a frame");
        if (!_peerSaidGoodbye) throw new PeerClosedException(Peer, "without a goodbye: the process or the network is gone");
        if (NumPendingReceives > 0 || NumPendingSends > 0) throw new PeerClosedException(Peer, "before all messages were exchanged", PeerEnd.Orderly);
    }

    private bool ProgressSends()
    {
        bool moved = false;
        while (FlushFrame(ref moved) && NumPendingSends > 0)
        {
            ref PendingSend send = ref _sends[_sendHead % MaxPendingSends];
            if (send.Begun && send.FramedBytes == send.Payload.Length)
            {
                send = default;
                _sendHead++;
            }
            else
            {
                BeginFrame(ref send);
            }
            moved = true;
        }
        return moved;
    }

    private void BeginFrame(ref PendingSend send)
    {
        int frameBytes = Math.Min(send.Payload.Length - send.FramedBytes, FrameHeader.MaxPayload);
        _directEnd = send.FramedBytes + frameBytes;
        FrameFlags flags = _directEnd < send.Payload.Length ? FrameFlags.More : FrameFlags.None;
        var header = new FrameHeader(send.Key.Kind, flags, _options.Epoch, send.Key.Step, 0, send.Key.Tag, frameBytes);
        _directOffset = send.FramedBytes + _writer.Begin(header, send.Payload.Span.Slice(send.FramedBytes, frameBytes));
        send.FramedBytes = _directEnd;
        send.Begun = true;
        _frameUnderWay = true;
        _sentFrames++;
        _sentBytes += FrameHeader.Size + frameBytes + (_options.Cipher is null ? 0 : FrameHeader.SealBytes);
    }

    /// <summary>Writes what is left of the frame under way; true if it is out.</summary>
    private bool FlushFrame(ref bool moved)
    {
        if (!_frameUnderWay) return true;
        ReadOnlySpan<byte> staged = _writer.Staged;
        if (!staged.IsEmpty)
        {
            int taken = TryWrite(staged);
            _writer.Advance(taken);
            moved |= taken > 0;
            if (taken < staged.Length) return false;
        }
        if (_directOffset < _directEnd)
        {
            ReadOnlySpan<byte> rest = _sends[_sendHead % MaxPendingSends].Payload.Span[_directOffset.._directEnd];
            int taken = TryWrite(rest);
            _directOffset += taken;
            moved |= taken > 0;
            if (taken < rest.Length) return false;
        }
        _frameUnderWay = false;
        return true;
    }

    private void TrySayGoodbye()
    {
        if (Failure is not null || _frameUnderWay || NumPendingSends > 0 || IsChannelClosed) return;
        try
        {
            _writer.Begin(new FrameHeader(FrameKind.Goodbye, FrameFlags.None, _options.Epoch, 0, 0, 0, 0), default);
            TryWrite(_writer.Staged);
        }
        catch (WireException)
        {
            // The peer left first; nobody is there to be told.
        }
    }
}
