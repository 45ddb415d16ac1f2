using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// Frames of one lane that came before their receive was posted: a circular buffer of contiguous payloads, first in, first out. It
/// grows by doubling up to its limit and keeps what it has, so a steady load allocates nothing.
/// </summary>
internal sealed class FrameStash(int maxBytes)
{
    private const int FirstBytes = 64 * 1024;
    private readonly Queue<Record> _records = new();
    private byte[] _buffer = new byte[Math.Min(FirstBytes, maxBytes)];
    private int _writeOffset;
    private Record _last;
    private bool _lastIsOpen;

    private readonly record struct Record(FrameHeader Header, int Offset);

    /// <summary>True while a whole frame waits.</summary>
    public bool HasComplete => _records.Count > (_lastIsOpen ? 1 : 0);

    /// <summary>Header of the oldest frame; its payload is <see cref="OldestPayload"/>.</summary>
    public FrameHeader OldestHeader => _records.Peek().Header;

    /// <summary>[Header.Length] bytes of the oldest frame, until it is dropped.</summary>
    public ReadOnlySpan<byte> OldestPayload => PayloadOf(_records.Peek());

    /// <summary>[Header.Length] bytes of the frame that is being received.</summary>
    public Span<byte> OpenPayload => PayloadOf(_last);

    /// <summary>Makes room for a frame; false if the limit does not allow it now.</summary>
    public bool TryOpen(in FrameHeader header)
    {
        int needed = Math.Max(header.Length, 1);
        int offset = FindRoom(needed);
        if (offset < 0)
        {
            if (!TryGrow(needed)) return false;
            offset = _writeOffset;
        }
        _last = new Record(header, offset);
        _records.Enqueue(_last);
        _writeOffset = offset + needed;
        _lastIsOpen = true;
        return true;
    }

    /// <summary>The open frame is whole.</summary>
    public void CloseFrame() => _lastIsOpen = false;

    /// <summary>Forgets the oldest frame.</summary>
    public void DropOldest() => _records.Dequeue();

    private Span<byte> PayloadOf(Record record) => _buffer.AsSpan(record.Offset, record.Header.Length);

    private int FindRoom(int needed)
    {
        if (_records.Count == 0) return needed <= _buffer.Length ? 0 : -1;
        int firstOffset = _records.Peek().Offset;
        if (_writeOffset <= firstOffset) return firstOffset - _writeOffset > needed ? _writeOffset : -1;
        if (_buffer.Length - _writeOffset >= needed) return _writeOffset;
        return firstOffset > needed ? 0 : -1;
    }

    private bool TryGrow(int needed)
    {
        long wanted = 2L * Math.Max(_buffer.Length, 1);
        while (wanted < _buffer.Length + (long)needed) wanted *= 2;
        if (wanted > maxBytes) return false;
        byte[] larger = new byte[wanted];
        int offset = 0;
        for (int i = _records.Count; i > 0; i--)
        {
            Record record = _records.Dequeue();
            PayloadOf(record).CopyTo(larger.AsSpan(offset));
            _records.Enqueue(record with { Offset = offset });
            offset += Math.Max(record.Header.Length, 1);
        }
        _buffer = larger;
        _writeOffset = offset;
        return true;
    }
}
