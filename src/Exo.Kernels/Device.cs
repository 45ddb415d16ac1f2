namespace Exo.Kernels;

/// <summary>
/// What computes: a closed vocabulary of transformer-sized operations. The public methods are the contract (formula, shapes, checks,
/// output allocation), written once; the protected Core methods are what each kind of device supplies. Formulas are exact down to the
/// order of additions: see NUMERICS.md. `fma(a, b, c)` is a * b + c rounded once.
/// Work is queued: only <see cref="Read"/> waits. One thread uses a device at a time; results live in <see cref="Arena"/>.
/// </summary>
public abstract partial class Device : IDisposable
{
    /// <summary>Memory of the current step's activations.</summary>
    public StepArena Arena { get; } = new();

    /// <summary>For people: kind, instruction set, threads.</summary>
    public abstract string Name { get; }

    /// <summary>Bytes of device memory that are free for weights and caches.</summary>
    public abstract long FreeMemoryBytes { get; }

    /// <summary>Bytes of all weights loaded so far, as packed.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>
    /// Packs a matrix the way this device likes. The parts' rows are laid one after the other (query, key and value of one layer, say);
    /// parts may differ in format, never in their columns. Leaves, for row-parallel weights, lie in stored columns and must span
    /// the parts' columns exactly. Affine parts are dequantized as fma(q, scale, bias) where activations stay float32.
    /// </summary>
    public Weight Load(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves = null)
    {
        if (parts.Length == 0) throw new ShapeException("a weight without parts");
        foreach (WeightSource part in parts)
        {
            part.Check();
            if (part.StartColumn != parts[0].StartColumn || part.EndColumn != parts[0].EndColumn)
                throw new ShapeException($"parts with columns [{parts[0].StartColumn}, {parts[0].EndColumn}) and [{part.StartColumn}, {part.EndColumn})");
            if (leaves is not null && part.RowBias is not null) throw new ShapeException("a row-parallel weight takes no row bias");
        }
        if (leaves is not null && (leaves.Bounds[0] != parts[0].StartColumn || leaves.Bounds[^1] != parts[0].EndColumn))
            throw new ShapeException($"leaves over [{leaves.Bounds[0]}, {leaves.Bounds[^1]}) of columns [{parts[0].StartColumn}, {parts[0].EndColumn})");
        Weight weight = LoadCore(parts, activations, leaves);
        WeightBytes += weight.PackedBytes;
        return weight;
    }

    /// <summary>A vector [1, n] that lives as long as the device: norm gains, biases, inverse frequencies.</summary>
    public abstract Tensor LoadVector(ReadOnlySpan<float> values);

    /// <summary>Pages of one layer: F16 or F32.</summary>
    public KvCache CreateKvCache(KvLayout layout, DType type, int numPages)
    {
        if (type is not (DType.F16 or DType.F32)) throw new ShapeException($"a KV cache of {type}: expected F16 or F32");
        if (layout.NumKvHeads < 0 || layout.KeyWidth <= 0 || layout.ValueWidth <= 0 || numPages < 0)
            throw new ShapeException($"{numPages} pages of {layout}");
        if (layout.ValuesInKeys && layout.ValueWidth > layout.KeyWidth) throw new ShapeException($"values wider than their keys: {layout}");
        return CreateKvCacheCore(layout, type, numPages);
    }

    /// <summary>Copies rows from the host: [numRows, numColumns].</summary>
    public Tensor Write(ReadOnlySpan<float> values, int numRows, int numColumns)
    {
        if (values.Length != (long)numRows * numColumns) throw new ShapeException($"{values.Length} values for [{numRows}, {numColumns}]");
        Tensor output = Arena.Allocate(numRows, numColumns);
        WriteCore(values, output);
        return output;
    }

    /// <summary>Waits for everything queued, then gives a contiguous tensor's values. Valid until the arena is reset.</summary>
    public ReadOnlySpan<float> Read(Tensor x)
    {
        if (!x.IsContiguous) throw new ShapeException($"a strided tensor {x} cannot be read");
        return ReadCore(x);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device's memory and threads.</summary>
    protected virtual void Dispose(bool disposing) => Arena.Dispose();

    /// <summary>Packs checked parts.</summary>
    protected abstract Weight LoadCore(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves);

    /// <summary>Allocates checked pages.</summary>
    protected abstract KvCache CreateKvCacheCore(KvLayout layout, DType type, int numPages);

    /// <summary>Host to device.</summary>
    protected abstract void WriteCore(ReadOnlySpan<float> values, Tensor output);

    /// <summary>Device to host.</summary>
    protected abstract ReadOnlySpan<float> ReadCore(Tensor x);
}
