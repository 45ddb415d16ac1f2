using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>Owned native memory, zeroed, aligned to 64 bytes (a cache line and the widest vector).</summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    private const int Alignment = 64;
    private void* _memory;

    /// <summary>Allocates <paramref name="bytes"/> bytes.</summary>
    public NativeBuffer(nint bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        _memory = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), Alignment);
        NativeMemory.Clear(_memory, (nuint)bytes);
    }

    /// <summary>The last line of defence against a leak; Dispose is the normal way.</summary>
    ~NativeBuffer() => Free();

    /// <summary>Size in bytes.</summary>
    public nint Bytes { get; }

    /// <summary>Address of the first byte.</summary>
    public nint Address => _memory != null ? (nint)_memory : throw new ObjectDisposedException(nameof(NativeBuffer));

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_memory == null) return;
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
