using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>
/// Memory for the activations of one step: bumped forward, reset when the next step begins. A step that needs more than there is gets
/// further blocks; the reset replaces them by one that holds them all, so a steady state allocates nothing.
/// Belongs to one device and is used by one thread.
/// </summary>
public sealed unsafe class StepArena : IDisposable
{
    private const int Alignment = 64;
    private const nint SmallestBlock = 1 << 20;
    private readonly List<NativeBuffer> _blocks = [];
    private nint _offset;
    private nint _used;

    /// <summary>Counts resets: a tensor remembers the generation that it was made in.</summary>
    public int Generation { get; private set; }

    /// <summary>Bytes held.</summary>
    public nint CapacityBytes { get; private set; }

    /// <summary>A float32 tensor [numRows, numColumns], contents undefined, valid until the next <see cref="Reset"/>.</summary>
    public Tensor Allocate(int numRows, int numColumns)
    {
        if (numRows < 0 || numColumns < 0) throw new ShapeException($"[{numRows}, {numColumns}] is no shape");
        return new Tensor(AllocateBytes((nint)numRows * numColumns * sizeof(float)), numRows, numColumns, numColumns, this);
    }

    /// <summary>Raw memory, aligned to 64 bytes, valid until the next <see cref="Reset"/>.</summary>
    public nint AllocateBytes(nint bytes)
    {
        nint rounded = (Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment;
        if (_blocks.Count == 0 || _offset + rounded > _blocks[^1].Bytes) Grow(rounded);
        nint address = _blocks[^1].Address + _offset;
        _offset += rounded;
        _used += rounded;
        return address;
    }

    /// <summary>Ends the step: every tensor of this arena is dead. Debug builds fill its memory with NaN.</summary>
    public void Reset()
    {
        Generation++;
        if (_blocks.Count > 1)
        {
            nint total = CapacityBytes;
            Dispose();
            Grow(total);
        }
        Poison();
        _offset = 0;
        _used = 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer block in _blocks) block.Dispose();
        _blocks.Clear();
        CapacityBytes = 0;
        _offset = 0;
    }

    private void Grow(nint atLeast)
    {
        var block = new NativeBuffer(Math.Max(Math.Max(SmallestBlock, atLeast), CapacityBytes));
        _blocks.Add(block);
        CapacityBytes += block.Bytes;
        _offset = 0;
    }

    [Conditional("DEBUG")]
    private void Poison()
    {
        if (_blocks.Count > 0) NativeMemory.Fill((void*)_blocks[0].Address, (nuint)Math.Min(_used, _blocks[0].Bytes), 0xFF);
    }
}
