using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// One direction of bytes between two threads or processes, in memory that both see:
/// <code>
/// offset   0  head          u64  bytes ever written; the writer's
///        128  tail          u64  bytes ever read; the reader's
///        256  reader sleeps u32  set by the reader before it sleeps, cleared by whoever wakes it
///        384  writer sleeps u32  the same for a writer that waits for room
///        512  data          [capacity], capacity a power of two
/// </code>
/// Each word has 128 bytes to itself, because x86 fetches cache lines in pairs. What the other side wrote is checked before use.
/// </summary>
internal sealed unsafe class ByteRing
{
    private const int TailOffset = 128;
    private const int ReaderSleepsOffset = 256;
    private const int WriterSleepsOffset = 384;
    private const int DataOffset = 512;

    // Long writes are published piecewise, so that the reader copies while the writer still does.
    private const int PublishBytes = 2048;

    private readonly byte* _base;
    private readonly byte* _data;
    private readonly ulong _capacity;
    private readonly string _peer;
    private ulong _head;
    private ulong _tail;

    /// <param name="start">Memory of <see cref="BytesFor"/>(capacity), zero at first, alive as long as the ring is used.</param>
    /// <param name="capacity">A power of two.</param>
    /// <param name="peer">For errors.</param>
    public ByteRing(byte* start, int capacity, string peer)
    {
        _base = start;
        _data = start + DataOffset;
        _capacity = (ulong)capacity;
        _peer = peer;
    }

    /// <summary>Bytes of memory that a ring of this capacity takes.</summary>
    public static int BytesFor(int capacity) => DataOffset + capacity;

    /// <summary>Writer: copies what fits, and gives its length.</summary>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        ulong room = Room();
        if (room < (ulong)bytes.Length)
        {
            _tail = ReadIndex(TailOffset, _head - _capacity, _head);
            room = Room();
        }
        int total = (int)Math.Min(room, (ulong)bytes.Length);
        for (int done = 0; done < total;)
        {
            int offset = (int)(_head & (_capacity - 1));
            int piece = Math.Min(Math.Min(total - done, PublishBytes), (int)_capacity - offset);
            bytes.Slice(done, piece).CopyTo(new Span<byte>(_data + offset, piece));
            done += piece;
            _head += (ulong)piece;
            Volatile.Write(ref Index(0), _head);
        }
        return total;
    }

    /// <summary>Reader: the bytes that have come, up to the end of the memory.</summary>
    public ReadOnlySpan<byte> Peek()
    {
        if (_head == _tail) _head = ReadIndex(0, _tail, _tail + _capacity);
        int offset = (int)(_tail & (_capacity - 1));
        int length = (int)Math.Min(_head - _tail, _capacity - (ulong)offset);
        return new ReadOnlySpan<byte>(_data + offset, length);
    }

    /// <summary>Reader: gives room back.</summary>
    public void Consume(int numBytes)
    {
        _tail += (ulong)numBytes;
        Volatile.Write(ref Index(TailOffset), _tail);
    }

    /// <summary>Writer: true if a write would take a byte.</summary>
    public bool HasRoom()
    {
        _tail = ReadIndex(TailOffset, _head - _capacity, _head);
        return Room() > 0;
    }

    public void SetReaderSleeps() => Volatile.Write(ref Flag(ReaderSleepsOffset), 1);

    public void SetWriterSleeps() => Volatile.Write(ref Flag(WriterSleepsOffset), 1);

    /// <summary>True if the reader slept, and now is taken as awake. A full fence must lie between the write and this.</summary>
    public bool TakeReaderSleeps() => Take(ReaderSleepsOffset);

    /// <summary>The same for a writer that waits for room.</summary>
    public bool TakeWriterSleeps() => Take(WriterSleepsOffset);

    private ulong Room() => _capacity - (_head - _tail);

    private bool Take(int offset) => Volatile.Read(ref Flag(offset)) != 0 && Interlocked.Exchange(ref Flag(offset), 0) != 0;

    private ref ulong Index(int offset) => ref *(ulong*)(_base + offset);

    private ref uint Flag(int offset) => ref *(uint*)(_base + offset);

    private ulong ReadIndex(int offset, ulong from, ulong to)
    {
        ulong index = Volatile.Read(ref Index(offset));
        // Unsigned differences, so that the check holds where the counters begin and wrap.
        if (index - from <= to - from) return index;
        throw new GarbledFrameException(_peer, $"expected a ring index from {from} to {to}, got {index}");
    }
}
