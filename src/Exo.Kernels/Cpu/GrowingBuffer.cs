namespace Exo.Kernels;

/// <summary>Scratch memory of a device: it only grows, so a steady state allocates nothing. Contents do not survive growth.</summary>
internal sealed class GrowingBuffer : IDisposable
{
    private LargeBuffer _memory = new(0);

    /// <summary>At least <paramref name="bytes"/> bytes, aligned to 64.</summary>
    public nint Reserve(nint bytes)
    {
        if (_memory.Bytes < bytes)
        {
            _memory.Dispose();
            _memory = new LargeBuffer(bytes + (bytes / 4));
        }
        return _memory.Address;
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
