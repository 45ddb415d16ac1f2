namespace Exo.Kernels;

public partial class ReferenceDevice
{
    /// <inheritdoc/>
    protected override void EmbedCore(Weight table, int firstId, ReadOnlySpan<int> ids, Tensor output, nint present)
    {
        var weight = (ReferenceWeight)table;
        for (int t = 0; t < ids.Length; t++)
        {
            int row = ids[t] - firstId;
            bool isHeld = (uint)row < (uint)weight.NumRows;
            if (present != 0) Bytes(present, ids.Length)[t] = isHeld ? (byte)1 : (byte)0;
            if (!isHeld && present == 0) throw new ShapeException($"id {ids[t]} of a table with the ids [{firstId}, {firstId + weight.NumRows})");
            if (!isHeld) continue;
            Span<float> result = Row(output, t);
            for (int i = 0; i < result.Length; i++) result[i] = weight.Value(row, i);
        }
    }

    /// <inheritdoc/>
    protected override void MatMulCore(Tensor x, Weight weight, Tensor output)
    {
        var matrix = (ReferenceWeight)weight;
        for (int t = 0; t < x.NumRows; t++) Multiply(Row(x, t), matrix, Row(output, t));
    }

    /// <inheritdoc/>
    protected override void MatMulPartialCore(Tensor x, Weight weight, Tensor output)
    {
        var matrix = (ReferenceWeight)weight;
        PartialNode[] nodes = matrix.Leaves!.Layout.Nodes;
        for (int t = 0; t < x.NumRows; t++)
        {
            Span<float> row = Row(x, t);
            Int8Row? rounded = matrix.IsInteger ? new Int8Row(row, matrix) : null;
            for (int node = 0; node < nodes.Length; node++)
            {
                Span<float> result = Row(output, (node * x.NumRows) + t);
                for (int n = 0; n < result.Length; n++)
                    result[n] = TreeOverLeaves(matrix, n, row, rounded, nodes[node].FirstLeaf, nodes[node].EndLeaf);
            }
        }
    }

    // One leaf, then the row bias.
    private static void Multiply(ReadOnlySpan<float> x, ReferenceWeight weight, Span<float> result)
    {
        Int8Row? rounded = weight.IsInteger ? new Int8Row(x, weight) : null;
        for (int n = 0; n < result.Length; n++)
        {
            result[n] = weight.DotLeaf(n, x, rounded, weight.StartColumn, weight.EndColumn);
            if (weight.RowBias(n) is { } bias) result[n] += bias;
        }
    }

    private static float TreeOverLeaves(ReferenceWeight weight, int n, ReadOnlySpan<float> x, Int8Row? rounded, int start, int end)
    {
        if (end - start == 1) return DotOfLeaf(weight, n, x, rounded, start);
        int middle = ReductionTree.SplitBalanced(start, end);
        return TreeOverLeaves(weight, n, x, rounded, start, middle) + TreeOverLeaves(weight, n, x, rounded, middle, end);
    }

    // Leaf of the model's weight, which must be held.
    private static float DotOfLeaf(ReferenceWeight weight, int n, ReadOnlySpan<float> x, Int8Row? rounded, int leaf)
    {
        Leaves leaves = weight.Leaves!;
        int local = leaf - leaves.FirstLeaf;
        return weight.DotLeaf(n, x, rounded, leaves.Bounds[local], leaves.Bounds[local + 1]);
    }
}
