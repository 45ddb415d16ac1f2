namespace Exo.Kernels.Cpu;

/// <summary>Native memory that is kept from call to call and only grows: hot in the cache, and no allocation in a steady state.</summary>
internal sealed class GrowingBuffer : IDisposable
{
    private LargeBuffer? _memory;

    /// <summary>
    /// Room for <paramref name="bytes"/>, aligned to 64, contents undefined; what was there before is lost when it must grow.
    /// </summary>
    public nint Reserve(nint bytes)
    {
        if (_memory is { } memory && memory.Bytes >= bytes) return memory.Address;
        nint larger = Math.Max(bytes, (_memory?.Bytes ?? 0) * 3 / 2);
        _memory?.Dispose();
        _memory = null;
        _memory = new LargeBuffer(larger);
        return _memory.Address;
    }

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();
}
