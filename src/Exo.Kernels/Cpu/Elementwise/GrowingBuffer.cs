namespace Exo.Kernels.Cpu;

/// <summary>Native memory that is kept from call to call and only grows: hot in the cache, and no allocation in a steady state.</summary>
internal sealed class GrowingBuffer : IDisposable
{
    private NativeBuffer? _memory;

    /// <summary>Address of the first byte, aligned to 64, after a <see cref="Reserve"/>.</summary>
    public nint Address => _memory?.Address ?? 0;

    /// <summary>Makes room for <paramref name="bytes"/>; what was there before is lost when it must grow.</summary>
    public nint Reserve(nint bytes)
    {
        if (_memory is { } memory && memory.Bytes >= bytes) return memory.Address;
        nint larger = Math.Max(bytes, (_memory?.Bytes ?? 0) * 3 / 2);
        _memory?.Dispose();
        _memory = null;
        _memory = new NativeBuffer(larger);
        return _memory.Address;
    }

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();
}
