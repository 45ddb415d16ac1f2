using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Exo.Net.Transports;

/// <summary>
/// Memory at an address, for tensors that the host can read: the device's arena owns it and keeps it for the whole step, which is
/// longer than any operation on it.
/// </summary>
internal sealed unsafe class DeviceMemory : MemoryManager<byte>
{
    private byte* _start;
    private int _length;

    /// <summary>Turns this view to another place, and gives it.</summary>
    public Memory<byte> At(nint address, long numBytes)
    {
        _start = (byte*)address;
        _length = checked((int)numBytes);
        return CreateMemory(_length);
    }

    /// <summary>The bytes at an address.</summary>
    public static Span<byte> Bytes(nint address, long numBytes) => new((void*)address, checked((int)numBytes));

    /// <summary>True if a span lies at the address: then the device computes in memory that the host reads.</summary>
    public static bool IsAt(ReadOnlySpan<float> span, nint address) =>
        Unsafe.AsPointer(ref MemoryMarshal.GetReference(span)) == (void*)address;

    public override Span<byte> GetSpan() => new(_start, _length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing) => _length = 0;
}
