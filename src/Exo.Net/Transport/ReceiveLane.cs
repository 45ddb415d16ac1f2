using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// The receiving side of one kind of frame: receives posted in advance, completed in order, and a stash for frames that no receive
/// waits for. Frames go straight into posted memory; only unexpected ones are copied twice.
/// </summary>
internal sealed class ReceiveLane(string peer, int maxStashBytes)
{
    /// <summary>Receives that may be pending at once.</summary>
    public const int MaxPosted = 64;

    private readonly Posted[] _posted = new Posted[MaxPosted];
    private readonly FrameStash _stash = new(maxStashBytes);
    private long _head;
    private long _tail;
    private bool _toStash;

    private struct Posted
    {
        public MessageKey Key;
        public bool AnyKey;
        public bool AnyLength;
        public Memory<byte> Destination;
        public int Received;
        public bool Begun;
    }

    /// <summary>Receives posted and not complete.</summary>
    public int NumPending => (int)(_tail - _head);

    /// <summary>True if the oldest pending receive holds part of its message.</summary>
    public bool IsMidMessage => NumPending > 0 && _posted[_head % MaxPosted].Begun;

    /// <summary>Posts a receive of exactly <paramref name="destination"/>.Length bytes; gives its ticket.</summary>
    public long Post(in MessageKey key, Memory<byte> destination) => Post(new Posted { Key = key, Destination = destination });

    /// <summary>Posts a receive of the next message, whatever its step and tag, of at most so many bytes.</summary>
    public long PostAny(FrameKind kind, Memory<byte> destination) =>
        Post(new Posted { Key = new MessageKey(kind, 0, 0), AnyKey = true, AnyLength = true, Destination = destination });

    /// <summary>Posts a receive of at most so many bytes.</summary>
    public long PostUpTo(in MessageKey key, Memory<byte> destination) =>
        Post(new Posted { Key = key, AnyLength = true, Destination = destination });

    public bool IsComplete(long ticket) => ticket < _head;

    /// <summary>Key and length of a completed receive; kept while at most <see cref="MaxPosted"/> newer ones are posted.</summary>
    public (MessageKey Key, int Length) Result(long ticket)
    {
        if (ticket >= _head || ticket < _tail - MaxPosted) throw new InvalidOperationException($"no result is kept for receive {ticket}");
        ref Posted posted = ref _posted[ticket % MaxPosted];
        return (posted.Key, posted.Received);
    }

    /// <summary>A frame's header has come: finds the place of its payload; false if there is none yet.</summary>
    public bool TryOpen(in FrameHeader header)
    {
        // A posted receive implies an empty stash: posting empties it first, and a frame that ends in it does too.
        _toStash = NumPending == 0;
        if (_toStash) return _stash.TryOpen(header);
        Check(ref _posted[_head % MaxPosted], header);
        return true;
    }

    /// <summary>[Header.Length] bytes for the payload of the frame that was opened.</summary>
    public Span<byte> OpenPayload(int length)
    {
        if (_toStash) return _stash.OpenPayload;
        ref Posted posted = ref _posted[_head % MaxPosted];
        return posted.Destination.Span.Slice(posted.Received, length);
    }

    /// <summary>The frame that was opened is whole.</summary>
    public void CloseFrame(in FrameHeader header)
    {
        if (_toStash)
        {
            _stash.CloseFrame();
            TakeFromStash();
        }
        else
        {
            Take(ref _posted[_head % MaxPosted], header);
        }
    }

    /// <summary>Forgets every pending receive; the caller has made sure that none is in mid-message.</summary>
    public void WithdrawAll()
    {
        for (; _tail > _head; _tail--) _posted[(_tail - 1) % MaxPosted] = default;
    }

    private long Post(Posted posted)
    {
        if (NumPending == MaxPosted) throw new InvalidOperationException($"{peer}: {MaxPosted} receives are pending");
        long ticket = _tail++;
        _posted[ticket % MaxPosted] = posted;
        TakeFromStash();
        return ticket;
    }

    private void TakeFromStash()
    {
        while (NumPending > 0 && _stash.HasComplete)
        {
            ref Posted posted = ref _posted[_head % MaxPosted];
            FrameHeader header = _stash.OldestHeader;
            Check(ref posted, header);
            _stash.OldestPayload.CopyTo(posted.Destination.Span[posted.Received..]);
            _stash.DropOldest();
            Take(ref posted, header);
        }
    }

    private void Take(ref Posted posted, in FrameHeader header)
    {
        posted.Received += header.Length;
        posted.Begun = true;
        if (!header.IsLast) return;
        posted.Destination = default;
        _head++;
    }

    private void Check(ref Posted posted, in FrameHeader header)
    {
        var got = new MessageKey(header.Kind, header.Step, header.Tag);
        if (posted.AnyKey && !posted.Begun) posted.Key = got;
        bool isLast = header.IsLast;
        int room = posted.Destination.Length - posted.Received;
        bool fits = header.Length <= room && (posted.AnyLength || !isLast || header.Length == room);
        if (posted.Key == got && fits) return;
        string wanted = $"{posted.Key} of {(posted.AnyLength ? "at most" : "exactly")} {posted.Destination.Length} bytes";
        string came = $"{got} of {(isLast ? "" : "more than ")}{posted.Received + header.Length} bytes";
        throw new UnexpectedMessageException(peer, wanted, came);
    }
}
