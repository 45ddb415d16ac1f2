using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// The sums of a run of panels while their leaves are added up: a stack of [panels][rows][16] floats in a thread's scratch memory. A
/// leaf is summed into <see cref="Top"/>, then <see cref="Finish"/> makes the additions of the tree that end with it and writes out
/// what is complete.
/// </summary>
internal unsafe struct LeafStack
{
    private readonly MatMulState* _state;
    private readonly PackedPart* _part;
    private readonly float* _memory;
    private readonly int _firstPanel;
    private readonly int _panelStep;
    private readonly int _numPanels;
    private readonly int _numRows;
    private readonly int _rowsAllocated;
    private readonly int _firstToken;
    private int _depth;

    /// <summary>Panels firstPanel, + panelStep, ...; rows are the tokens from <paramref name="firstToken"/>.</summary>
    public LeafStack(
        MatMulState* state, PackedPart* part, float* memory, int firstPanel, int panelStep, int numPanels, int firstToken,
            int numRows, int rowsAllocated)
    {
        _state = state;
        _part = part;
        _memory = memory;
        _firstPanel = firstPanel;
        _panelStep = panelStep;
        _numPanels = numPanels;
        _firstToken = firstToken;
        _numRows = numRows;
        _rowsAllocated = rowsAllocated;
    }

    /// <summary>Where the current leaf's sums go.</summary>
    public readonly float* Top => _memory + (_depth * SlotFloats);

    /// <summary>Floats between the sums of two panels.</summary>
    public readonly nint PanelFloats => (nint)_rowsAllocated * PackedWeight.PanelRows;

    private readonly nint SlotFloats => _numPanels * PanelFloats;

    /// <summary>Zeroes the current leaf's sums.</summary>
    public readonly void ClearTop() => new Span<float>(Top, (int)SlotFloats).Clear();

    /// <summary>Ends a leaf.</summary>
    public void Finish(int leaf)
    {
        if (_state->Output == LeafOutput.Leaves)
        {
            Write(leaf, _memory);
            return;
        }
        ColumnPlan* plan = &_state->Weight->Plan;
        _depth++;
        for (int add = plan->Adds[leaf]; add > 0; add--)
        {
            _depth--;
            Add(_memory + ((_depth - 1) * SlotFloats), _memory + (_depth * SlotFloats), SlotFloats);
        }
        if (plan->Emit[leaf] < 0) return;
        Write(plan->Emit[leaf], _memory);
        _depth = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(float* a, float* b, nint count)
    {
        for (nint i = 0; i < count; i += 8) (Vector256.Load(a + i) + Vector256.Load(b + i)).Store(a + i);
    }

    private readonly void Write(int vector, float* sums)
    {
        for (int i = 0; i < _numPanels; i++)
        {
            int row = (_firstPanel + (i * _panelStep)) * PackedWeight.PanelRows;
            float* to = _state->Destination + (vector * _state->VectorStride) + ((nint)_firstToken * _state->RowStride) + _part->FirstRow + row;
            float* bias = _part->RowBias == null ? null : _part->RowBias + row;
            WritePanel(sums + (i * PanelFloats), to, bias, Math.Min(PackedWeight.PanelRows, _part->NumRows - row));
        }
    }

    private readonly void WritePanel(float* sums, float* to, float* bias, int numOutputs)
    {
        for (int r = 0; r < _numRows; r++, sums += PackedWeight.PanelRows, to += _state->RowStride)
        {
            if (numOutputs == PackedWeight.PanelRows && bias == null)
            {
                Vector256.Load(sums).Store(to);
                Vector256.Load(sums + 8).Store(to + 8);
                continue;
            }
            for (int n = 0; n < numOutputs; n++) to[n] = bias == null ? sums[n] : sums[n] + bias[n];
        }
    }
}
