using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>
/// NUMERICS.md in plain scalar C#, one element at a time: slow, single-threaded, and what every CPU kernel must equal bit for bit.
/// </summary>
public partial class ReferenceDevice : Device
{
    private readonly List<NativeBuffer> _vectors = [];

    /// <inheritdoc/>
    public override string Name => "reference";

    /// <inheritdoc/>
    public override long FreeMemoryBytes => HostMemory.AvailableBytes();

    /// <inheritdoc/>
    public override unsafe Tensor LoadVector(ReadOnlySpan<float> values)
    {
        var memory = new NativeBuffer((nint)values.Length * sizeof(float));
        _vectors.Add(memory);
        values.CopyTo(new Span<float>((void*)memory.Address, values.Length));
        return new Tensor(memory.Address, 1, values.Length, values.Length);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (NativeBuffer vector in _vectors) vector.Dispose();
        _vectors.Clear();
        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected override Weight LoadCore(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves)
    {
        int numRows = 0;
        foreach (WeightSource part in parts) numRows = checked(numRows + part.NumRows);
        return new ReferenceWeight(parts, activations, leaves, numRows);
    }

    /// <inheritdoc/>
    protected override KvCache CreateKvCacheCore(KvLayout layout, DType type, int numPages)
    {
        var memory = new NativeBuffer(layout.PageBytes(type) * numPages);
        return new KvCache(layout, type, numPages, memory.Address, memory);
    }

    /// <inheritdoc/>
    protected override void WriteCore(ReadOnlySpan<float> values, Tensor output)
    {
        for (int row = 0; row < output.NumRows; row++) values.Slice(row * output.NumColumns, output.NumColumns).CopyTo(Row(output, row));
    }

    /// <inheritdoc/>
    protected override unsafe ReadOnlySpan<float> ReadCore(Tensor x) => new(x.Pointer, checked(x.NumRows * x.NumColumns));

    // A row of a tensor.
    private static unsafe Span<float> Row(Tensor x, int row) => new(x.Row(row), x.NumColumns);

    // Bytes at an address of this device, [count].
    private static unsafe Span<byte> Bytes(nint address, int count) => new((void*)address, count);

    // Experts or weights of one token.
    private static unsafe Span<T> TokenChoice<T>(nint address, int token, int expertsPerToken)
        where T : unmanaged => MemoryMarshal.CreateSpan(ref ((T*)address)[(nint)token * expertsPerToken], expertsPerToken);
}
