namespace Exo.Kernels;

public partial class ReferenceDevice
{
    /// <inheritdoc/>
    protected override unsafe void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output)
    {
        var stack = new Stack<float?>();
        for (int t = 0; t < output.NumRows; t++)
        {
            for (int n = 0; n < output.NumColumns; n++)
            {
                foreach (int instruction in program.Instructions)
                {
                    if (instruction != ReductionProgram.Add)
                    {
                        NodeValues node = nodes[instruction];
                        bool isPresent = node.Present == 0 || ((byte*)node.Present)[t] != 0;
                        stack.Push(isPresent ? ((float*)node.Address)[((nint)t * node.RowStride) + n] : null);
                        continue;
                    }
                    float? right = stack.Pop(), left = stack.Pop();
                    stack.Push(left is null ? right : right is null ? left : left + right);
                }
                Row(output, t)[n] = stack.Pop() ?? 0f;
            }
        }
    }
}
