using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>
/// Evaluates a reduction program token by token, <see cref="Chunk"/> columns at a time: the stack holds where each value lies (a node's own
/// memory, a slot of scratch, or nowhere: absent), so a push copies nothing.
/// </summary>
internal unsafe struct AddNodesOp : IRowOp
{
    private const int Chunk = 512;
    public int* Instructions;
    public int NumInstructions;
    public int MaxDepth;
    public NodeValues* Nodes;
    public float* Output;
    public nint OutputStride;
    public int NumColumns;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* slots = stackalloc float[Math.Max(1, MaxDepth) * Chunk];
        float** stack = stackalloc float*[Math.Max(1, MaxDepth)];
        for (int token = start; token < end; token++)
        {
            for (int column = 0; column < NumColumns; column += Chunk)
            {
                int n = Math.Min(Chunk, NumColumns - column);
                float* output = Output + (token * OutputStride) + column;
                float* sum = Evaluate<TSimd, TVector>(token, column, n, slots, stack);
                if (sum == null) new Span<float>(output, n).Clear();
                else new ReadOnlySpan<float>(sum, n).CopyTo(new Span<float>(output, n));
            }
        }
    }

    private readonly float* Evaluate<TSimd, TVector>(int token, int column, int n, float* slots, float** stack)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int depth = 0;
        for (int i = 0; i < NumInstructions; i++)
        {
            int instruction = Instructions[i];
            if (instruction != ReductionProgram.Add)
            {
                NodeValues node = Nodes[instruction];
                bool isPresent = node.Present == 0 || ((byte*)node.Present)[token] != 0;
                stack[depth++] = isPresent ? (float*)node.Address + ((nint)token * node.RowStride) + column : null;
                continue;
            }
            float* right = stack[--depth], left = stack[depth - 1], slot = slots + ((depth - 1) * Chunk);
            if (right == null) continue;
            stack[depth - 1] = left != null || IsInSlots(right, slots) ? slot : right;
            if (left != null) AddOp.Columns<TSimd, TVector>(left, right, slot, n);
            else if (stack[depth - 1] == slot) new ReadOnlySpan<float>(right, n).CopyTo(new Span<float>(slot, n));
        }
        return depth == 0 ? null : stack[0];
    }

    // A value that moves down the stack past an absent one must leave its slot, which belongs to its former depth.
    private readonly bool IsInSlots(float* value, float* slots) => value >= slots && value < slots + (MaxDepth * Chunk);
}
