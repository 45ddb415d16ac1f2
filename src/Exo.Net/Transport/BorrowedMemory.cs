using System.Buffers;

namespace Exo.Net.Transports;

/// <summary>
/// Lends the memory under a span as <see cref="Memory{T}"/> for the time of one call, without allocation. The lender keeps the span
/// pinned until <see cref="Return"/>; after that every access throws.
/// </summary>
internal sealed unsafe class BorrowedMemory : MemoryManager<byte>
{
    private byte* _start;
    private int _length = -1;

    public Memory<byte> Lend(byte* start, int length)
    {
        if (_length >= 0) throw new InvalidOperationException("lent already: one synchronous call at a time");
        _start = start;
        _length = length;
        return CreateMemory(length);
    }

    public void Return() => _length = -1;

    public override Span<byte> GetSpan()
    {
        if (_length < 0) throw new InvalidOperationException("the loan is over");
        return new Span<byte>(_start, _length);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing) => Return();
}
