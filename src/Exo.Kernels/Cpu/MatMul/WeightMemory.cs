namespace Exo.Kernels;

/// <summary>
/// Memory of packed weights, cut from slabs of huge pages one piece after the other: a small matrix by itself would lie in 4 KB pages,
/// whose ends stop the hardware's prefetchers, and parts of one weight that lie side by side are read as one. Used by one thread; pieces
/// may be given back by any.
/// </summary>
internal sealed class WeightMemory : IDisposable
{
    private const nint SlabBytes = 32 << 20;
    private const nint Line = 64;
    private Slab? _current;
    private nint _used;

    /// <summary>A piece of <paramref name="bytes"/>, aligned to a line, that begins where the piece before it ends if the slab has room.</summary>
    public Piece Allocate(nint bytes)
    {
        nint rounded = (bytes + Line - 1) / Line * Line;
        if (_current is null || rounded > _current.Bytes - _used)
        {
            var slab = new Slab(Math.Max(rounded, SlabBytes));
            _current?.Dispose();
            (_current, _used) = (slab, 0);
        }
        var piece = new Piece(_current, _current.Address + _used);
        _used += rounded;
        return piece;
    }

    /// <summary>Gives back what no piece lies in.</summary>
    public void Dispose()
    {
        _current?.Dispose();
        _current = null;
    }

    /// <summary>Some bytes of a slab, which lives as long as any of its pieces.</summary>
    internal sealed class Piece : IDisposable
    {
        private Slab? _slab;

        /// <summary>Holds the slab.</summary>
        public Piece(Slab slab, nint address)
        {
            slab.Hold();
            (_slab, Address) = (slab, address);
        }

        /// <summary>Address of the first byte.</summary>
        public nint Address { get; }

        /// <inheritdoc/>
        public void Dispose() => Interlocked.Exchange(ref _slab, null)?.Dispose();
    }

    /// <summary>Memory with a count of its holders; whoever makes it is the first.</summary>
    internal sealed class Slab(nint bytes) : IDisposable
    {
        private readonly LargeBuffer _memory = new(bytes);
        private int _holders = 1;

        /// <summary>Size in bytes.</summary>
        public nint Bytes => _memory.Bytes;

        /// <summary>Address of the first byte.</summary>
        public nint Address => _memory.Address;

        /// <summary>One holder more.</summary>
        public void Hold() => Interlocked.Increment(ref _holders);

        /// <summary>One holder less; after the last the memory is gone.</summary>
        public void Dispose()
        {
            if (Interlocked.Decrement(ref _holders) == 0) _memory.Dispose();
        }
    }
}
