using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Exo.Kernels;

/// <summary>
/// A float32 matrix in device memory: [NumRows, NumColumns], rows RowStride elements apart. A view, not an owner: activations live in
/// a <see cref="StepArena"/> until its next reset, vectors loaded with the model live as long as the device.
/// </summary>
public readonly struct Tensor
{
    private readonly StepArena? _arena;
    private readonly int _generation;
    private readonly nint _address;

    /// <summary>A view on memory of a device.</summary>
    public Tensor(nint address, int numRows, int numColumns, int rowStride, StepArena? arena = null)
    {
        _address = address;
        NumRows = numRows;
        NumColumns = numColumns;
        RowStride = rowStride;
        _arena = arena;
        _generation = arena?.Generation ?? 0;
    }

    /// <summary>Rows: tokens, nearly always.</summary>
    public int NumRows { get; }

    /// <summary>Columns: features.</summary>
    public int NumColumns { get; }

    /// <summary>Distance of two rows, in elements.</summary>
    public int RowStride { get; }

    /// <summary>True when the rows follow each other without a gap.</summary>
    public bool IsContiguous => RowStride == NumColumns || NumRows <= 1;

    /// <summary>Address of the first element. Debug builds refuse a tensor whose arena has been reset since.</summary>
    public nint Address
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Debug.Assert(_arena is null || _arena.Generation == _generation, "a tensor is used after its step's arena was reset");
            return _address;
        }
    }

    /// <summary>The first element, for kernels.</summary>
    public unsafe float* Pointer => (float*)Address;

    /// <summary>Address of a row.</summary>
    public unsafe float* Row(int row) => (float*)Address + ((nint)row * RowStride);

    /// <summary>The rows [start, end), a view.</summary>
    public unsafe Tensor Rows(int start, int end)
    {
        if ((uint)start > (uint)end || end > NumRows) throw new ShapeException($"rows [{start}, {end}) of a tensor with {NumRows} rows");
        return new Tensor((nint)((float*)Address + ((nint)start * RowStride)), end - start, NumColumns, RowStride, _arena);
    }

    /// <summary>The columns [start, end), a view.</summary>
    public unsafe Tensor Columns(int start, int end)
    {
        if ((uint)start > (uint)end || end > NumColumns)
            throw new ShapeException($"columns [{start}, {end}) of a tensor with {NumColumns} columns");
        return new Tensor((nint)((float*)Address + start), NumRows, end - start, RowStride, _arena);
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{NumRows}, {NumColumns}]";
}

/// <summary>Shapes that do not fit together: a mistake of the caller, named with the sizes.</summary>
public sealed class ShapeException(string message) : ArgumentException(message);
