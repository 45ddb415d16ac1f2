namespace Exo.Kernels;

public partial class ReferenceDevice
{
    /// <inheritdoc/>
    protected override void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present)
    {
        PartialNode[] nodes = bank.Layout.Nodes;
        int numTokens = x.NumRows;
        for (int t = 0; t < numTokens; t++)
        {
            var token = new ExpertToken(bank, Row(x, t), TokenChoice<int>(routing.Experts, t, routing.ExpertsPerToken),
                TokenChoice<float>(routing.Weights, t, routing.ExpertsPerToken));
            for (int node = 0; node < nodes.Length; node++)
            {
                int index = (node * numTokens) + t;
                float[]? sum = token.Node(nodes[node]);
                if (present != 0) Bytes(present, nodes.Length * numTokens)[index] = sum is null ? (byte)0 : (byte)1;
                sum?.CopyTo(Row(output, index));
            }
        }
    }

    // One token: its chosen experts that are held, their hidden activations computed once.
    private sealed class ExpertToken
    {
        private readonly ExpertBank _bank;
        private readonly Dictionary<int, Hidden> _chosen = [];
        private readonly Hidden? _shared;

        public ExpertToken(ExpertBank bank, ReadOnlySpan<float> x, ReadOnlySpan<int> experts, ReadOnlySpan<float> weights)
        {
            _bank = bank;
            for (int i = 0; i < experts.Length; i++)
            {
                int local = experts[i] - bank.FirstExpert;
                if ((uint)local < (uint)bank.GateUp.Length) _chosen.Add(experts[i], Up(bank.GateUp[local], bank.Down[local], x, weights[i]));
            }
            if (bank.SharedGateUp is { } gateUp) _shared = Up(gateUp, bank.SharedDown!, x, null);
        }

        // Null where none of the node's experts was chosen.
        public float[]? Node(PartialNode node)
        {
            if (_bank.Layout.NumExperts == 0) return TreeOverLeaves(node.FirstLeaf, node.EndLeaf);
            return node.FirstExpert == _bank.Layout.NumExperts
                ? Part(_shared!, node.FirstLeaf)
                : TreeOverExperts(node.FirstLeaf, node.FirstExpert, node.EndExpert);
        }

        private float[]? TreeOverLeaves(int start, int end)
        {
            if (end - start > 1)
            {
                int middle = ReductionTree.SplitBalanced(start, end);
                return Sum(TreeOverLeaves(start, middle), TreeOverLeaves(middle, end));
            }
            float[]? routed = TreeOverExperts(start, 0, _bank.GateUp.Length);
            return _shared is null ? routed : Sum(routed, Part(_shared, start));
        }

        private float[]? TreeOverExperts(int leaf, int start, int end)
        {
            if (start == end) return null;
            if (end - start == 1) return _chosen.TryGetValue(start, out Hidden? hidden) ? Part(hidden, leaf) : null;
            int middle = ReductionTree.SplitGrowing(start, end);
            return Sum(TreeOverExperts(leaf, start, middle), TreeOverExperts(leaf, middle, end));
        }

        private static float[]? Sum(float[]? a, float[]? b) => a is null ? b : b is null ? a : [.. a.Zip(b, (left, right) => left + right)];

        // weight * dot(h[leaf], down[n, leaf]) for every n; the shared expert has no weight.
        private static float[] Part(Hidden hidden, int leaf)
        {
            float[] part = new float[hidden.Down.NumRows];
            for (int n = 0; n < part.Length; n++)
            {
                float dot = DotOfLeaf(hidden.Down, n, hidden.Values, hidden.Rounded, leaf);
                part[n] = hidden.Weight is { } weight ? weight * dot : dot;
            }
            return part;
        }

        private static Hidden Up(Weight gateUp, Weight down, ReadOnlySpan<float> x, float? weight)
        {
            float[] both = new float[gateUp.NumRows], values = new float[gateUp.NumRows / 2];
            Multiply(x, (ReferenceWeight)gateUp, both);
            SiluMul(both, values);
            var matrix = (ReferenceWeight)down;
            return new Hidden(matrix, weight, values, matrix.IsInteger ? new Int8Row(values, matrix) : null);
        }

        private sealed record Hidden(ReferenceWeight Down, float? Weight, float[] Values, Int8Row? Rounded);
    }
}
