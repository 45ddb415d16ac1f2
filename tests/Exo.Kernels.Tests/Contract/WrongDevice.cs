namespace Exo.Kernels.Tests.Contract;

/// <summary>
/// Mathematically right and yet wrong: every operation adds in another order, or rounds once more or less, than the contract says. A
/// comparison that lets it pass compares nothing.
/// </summary>
internal sealed class WrongDevice : ReferenceDevice
{
    public override string Name => "wrong";

    protected override void EmbedCore(Weight table, int firstId, ReadOnlySpan<int> ids, Tensor output, nint present)
    {
        base.EmbedCore(table, firstId, ids, output, present);
        Nudge(output);
    }

    // The dot product from its end.
    protected override void MatMulCore(Tensor x, Weight weight, Tensor output)
    {
        for (int t = 0; t < x.NumRows; t++)
            for (int n = 0; n < weight.NumRows; n++) Row(output, t)[n] = BackwardDot((ReferenceWeight)weight, n, Row(x, t), 0, weight.NumColumns);
    }

    // The leaves one after the other instead of by their tree.
    protected override void MatMulPartialCore(Tensor x, Weight weight, Tensor output)
    {
        Leaves leaves = weight.Leaves!;
        PartialNode[] nodes = leaves.Layout.Nodes;
        for (int row = 0; row < output.NumRows; row++)
        {
            PartialNode node = nodes[row / x.NumRows];
            Span<float> activations = Row(x, row % x.NumRows);
            var matrix = (ReferenceWeight)weight;
            Int8Row? rounded = matrix.IsInteger ? new Int8Row(activations, matrix) : null;
            for (int n = 0; n < weight.NumRows; n++)
            {
                Row(output, row)[n] = 0f;
                for (int leaf = node.FirstLeaf - leaves.FirstLeaf; leaf < node.EndLeaf - leaves.FirstLeaf; leaf++)
                    Row(output, row)[n] += matrix.DotLeaf(n, activations, rounded, leaves.Bounds[leaf], leaves.Bounds[leaf + 1]);
            }
        }
    }

    protected override unsafe void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output)
    {
        for (int t = 0; t < output.NumRows; t++)
        {
            Row(output, t).Clear();
            foreach (NodeValues node in nodes)
            {
                if (node.Present != 0 && ((byte*)node.Present)[t] == 0) continue;
                for (int n = 0; n < output.NumColumns; n++) Row(output, t)[n] += ((float*)node.Address)[((nint)t * node.RowStride) + n];
            }
        }
    }

    protected override void RmsNormCore(Tensor x, Tensor gain, float epsilon, int headDim, Tensor output)
    {
        for (int t = 0; t < x.NumRows; t++)
        {
            for (int head = 0; head < x.NumColumns; head += headDim)
            {
                Span<float> from = Row(x, t).Slice(head, headDim), to = Row(output, t).Slice(head, headDim);
                float sum = 0f;
                foreach (float value in from) sum = MathF.FusedMultiplyAdd(value, value, sum);
                float inverse = 1f / MathF.Sqrt((sum / headDim) + epsilon);
                for (int i = 0; i < headDim; i++) to[i] = from[i] * inverse * Row(gain, 0)[i];
            }
        }
    }

    protected override void RopeTableCore(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output)
    {
        base.RopeTableCore(positions, inverseFrequencies, scale, output);
        Nudge(output);
    }

    // Each product rounded.
    protected override void RopeCore(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs)
    {
        int numPairs = table.NumColumns / 2;
        for (int t = 0; t < x.NumRows; t++)
        {
            for (int head = offset; head < x.NumColumns; head += headDim)
            {
                for (int i = 0; i < numPairs; i++)
                {
                    (int first, int second) = pairs == RopePairs.Halves ? (i, i + numPairs) : (2 * i, (2 * i) + 1);
                    float a = Row(x, t)[head + first], b = Row(x, t)[head + second], cos = Row(table, t)[i], sin = Row(table, t)[numPairs + i];
                    Row(x, t)[head + first] = (a * cos) - (b * sin);
                    Row(x, t)[head + second] = (b * cos) + (a * sin);
                }
            }
        }
    }

    // Keys and values cut off instead of rounded.
    protected override void AppendKvCore(KvCache cache, StepBatch batch, Tensor keys, Tensor values)
    {
        foreach (Tensor x in new[] { keys, values })
            for (int t = 0; t < x.NumRows; t++)
                foreach (ref float value in Row(x, t)) value = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) & ~0x1FFF);
        base.AppendKvCore(cache, batch, keys, values);
    }

    // The pages before the step's first page in the opposite order.
    protected override void AttentionCore(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape, Tensor output)
    {
        var other = new StepBatch();
        for (int s = 0; s < batch.NumSequences; s++)
        {
            int first = batch.Positions[batch.RowStarts[s]];
            int[] pages = batch.Pages(s).ToArray();
            Array.Reverse(pages, 0, first / KvLayout.PageSize);
            other.AddSequence(first, batch.RowStarts[s + 1] - batch.RowStarts[s], pages);
        }
        base.AttentionCore(query, cache, other, shape, output);
    }

    protected override void SiluMulCore(Tensor gateUp, Tensor output)
    {
        for (int t = 0; t < gateUp.NumRows; t++)
        {
            for (int i = 0; i < output.NumColumns; i++)
            {
                float gate = Row(gateUp, t)[i];
                Row(output, t)[i] = gate * (1f / (1f + MathF.Exp(-gate))) * Row(gateUp, t)[output.NumColumns + i];
            }
        }
    }

    protected override void AddCore(Tensor a, Tensor b)
    {
        base.AddCore(a, b);
        Nudge(a);
    }

    protected override void AddRowCore(Tensor a, Tensor b)
    {
        base.AddRowCore(a, b);
        Nudge(a);
    }

    protected override void SelectRowsCore(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        for (int i = 0; i < rows.Length; i++) Row(x, rows[^(i + 1)]).CopyTo(Row(output, i));
    }

    // The chosen scores added in descending order.
    protected override unsafe void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing)
    {
        base.RouteCore(logits, options with { NormTopkProb = false, ScalingFactor = 1f }, correctionBias, routing);
        for (int t = 0; t < routing.NumTokens; t++)
        {
            var weights = new Span<float>((float*)routing.Weights + (t * routing.ExpertsPerToken), routing.ExpertsPerToken);
            float sum = 0f;
            for (int i = weights.Length - 1; i >= 0; i--) sum += weights[i];
            foreach (ref float weight in weights) weight = weight / sum * options.ScalingFactor;
        }
    }

    // Each expert's leaves added up before the experts are.
    protected override void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present)
    {
        for (int row = 0; row < output.NumRows; row++) Row(output, row).Clear();
        Tensor part = Arena.Allocate(output.NumRows, output.NumColumns);
        for (int i = 0; i < routing.ExpertsPerToken; i++)
        {
            base.ExpertMlpCore(x, Only(routing, i), bank, part, present);
            for (int row = 0; row < output.NumRows; row++)
                for (int n = 0; n < output.NumColumns; n++) Row(output, row)[n] += Row(part, row)[n];
        }
    }

    // Each token's choice number i.
    private unsafe Routing Only(Routing routing, int i)
    {
        nint experts = Arena.AllocateBytes(routing.NumTokens * sizeof(int)), weights = Arena.AllocateBytes(routing.NumTokens * sizeof(float));
        for (int t = 0; t < routing.NumTokens; t++)
        {
            ((int*)experts)[t] = ((int*)routing.Experts)[(t * routing.ExpertsPerToken) + i];
            ((float*)weights)[t] = ((float*)routing.Weights)[(t * routing.ExpertsPerToken) + i];
        }
        return new Routing(routing.NumTokens, 1, experts, weights);
    }

    private static float BackwardDot(ReferenceWeight weight, int row, ReadOnlySpan<float> x, int start, int end)
    {
        if (weight.IsInteger)
        {
            var rounded = new Int8Row(x, weight);
            Array.Reverse(rounded.Blocks);
            return weight.DotLeaf(row, x, rounded, weight.StartColumn, weight.EndColumn);
        }
        float sum = 0f;
        for (int k = end - 1; k >= start; k--) sum = MathF.FusedMultiplyAdd(x[k], weight.Value(row, k), sum);
        return sum;
    }

    private static void Nudge(Tensor x) => Row(x, x.NumRows - 1)[x.NumColumns - 1] = MathF.BitIncrement(Row(x, x.NumRows - 1)[x.NumColumns - 1]);

    private static unsafe Span<float> Row(Tensor x, int row) => new(x.Row(row), x.NumColumns);
}
