namespace Exo.Kernels;

public abstract partial class Device
{
    /// <summary>
    /// Rows of an embedding table, dequantized: fma(q', scale, bias') for affine tables held for int8 activations (q' and bias' recentred,
    /// NUMERICS.md), the stored value otherwise. <paramref name="table"/> holds the vocabulary rows [firstId, firstId + NumRows); an id
    /// outside is absent from the result, one node <paramref name="layout"/> says which. Output: one node, [ids, hidden].
    /// </summary>
    public PartialSums Embed(Weight table, int firstId, PartialLayout layout, ReadOnlySpan<int> ids)
    {
        if (layout.Nodes.Length != 1) throw new ShapeException("an embedding yields one node");
        Tensor output = Arena.Allocate(ids.Length, table.NumColumns);
        nint present = layout.NumLeaves == 1 ? 0 : Arena.AllocateBytes(ids.Length);
        EmbedCore(table, firstId, ids, output, present);
        return new PartialSums(layout, output, ids.Length, present);
    }

    /// <summary>
    /// Column-parallel product: out[t, n] = dot(x[t], w[n]) + bias[n]; the dot is one leaf. x: [tokens, columns], out: [tokens, rows].
    /// </summary>
    public Tensor MatMul(Tensor x, Weight weight)
    {
        if (weight.Leaves is not null) throw new ShapeException("a row-parallel weight yields partial sums");
        RequireColumns(x, weight.NumColumns);
        Tensor output = Arena.Allocate(x.NumRows, weight.NumRows);
        MatMulCore(x, weight, output);
        return output;
    }

    /// <summary>
    /// Row-parallel product: for each node of the weight's leaves the tree over its leaves of dot(x[t, leaf], w[n, leaf]).
    /// x: [tokens, local columns], values: [numNodes * tokens, rows].
    /// </summary>
    public PartialSums MatMulPartial(Tensor x, Weight weight)
    {
        Leaves leaves = weight.Leaves ?? throw new ShapeException("a column-parallel weight has no leaves");
        RequireColumns(x, weight.NumColumns);
        Tensor output = Arena.Allocate(leaves.Layout.Nodes.Length * x.NumRows, weight.NumRows);
        MatMulPartialCore(x, weight, output);
        return new PartialSums(leaves.Layout, output, x.NumRows);
    }

    /// <summary>
    /// One product per head, MLA's absorbed projections. Of each head's <paramref name="headDim"/> columns the first k are multiplied,
    /// the rest are copied behind the products: out[t, h] = [heads[h] x[t, h, ..k], x[t, h, k..]], each dot one leaf.
    /// x: [tokens, heads * headDim], every heads[h]: [n, k], out: [tokens, heads * (n + headDim - k)].
    /// </summary>
    public Tensor MatMulHeads(Tensor x, int headDim, Weight[] heads)
    {
        RequireColumns(x, heads.Length * headDim);
        if (heads.Length == 0) return Arena.Allocate(x.NumRows, 0);
        int k = heads[0].NumColumns, n = heads[0].NumRows, width = n + headDim - k;
        if (k > headDim) throw new ShapeException($"heads of {headDim} columns for weights of {k}");
        Tensor output = Arena.Allocate(x.NumRows, heads.Length * width);
        for (int h = 0; h < heads.Length; h++)
        {
            if (heads[h].NumColumns != k || heads[h].NumRows != n) throw new ShapeException($"heads of [{n}, {k}] and [{heads[h].NumRows}, {heads[h].NumColumns}]");
            MatMulCore(x.Columns(h * headDim, (h * headDim) + k), heads[h], output.Columns(h * width, (h * width) + n));
            if (k < headDim) CopyCore(x.Columns((h * headDim) + k, (h + 1) * headDim), output.Columns((h * width) + n, (h + 1) * width));
        }
        return output;
    }

    /// <summary>Evaluates a reduction: nodes numbered as in <paramref name="program"/>, each [numTokens, n]. Output: [numTokens, n].</summary>
    public Tensor AddNodes(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, int numTokens, int n)
    {
        if (nodes.Length != program.NumNodes) throw new ShapeException($"{nodes.Length} nodes for a reduction over {program.NumNodes}");
        Tensor output = Arena.Allocate(numTokens, n);
        AddNodesCore(program, nodes, output);
        return output;
    }

    /// <summary>
    /// out = x * (1 / sqrt(mean(x^2) + eps)) * gain, row by row: the sum of squares over 16 lanes by fma, then the lane tree; a true
    /// division for the mean; IEEE square root and division; (x * r) * gain.
    /// </summary>
    public Tensor RmsNorm(Tensor x, Tensor gain, float epsilon)
    {
        RequireVector(gain, x.NumColumns);
        Tensor output = Arena.Allocate(x.NumRows, x.NumColumns);
        RmsNormCore(x, gain, epsilon, x.NumColumns, output);
        return output;
    }

    /// <summary>The same for each head of <paramref name="headDim"/> columns by itself, in place. gain: [headDim].</summary>
    public void RmsNormHeads(Tensor x, int headDim, Tensor gain, float epsilon)
    {
        if (headDim <= 0 || x.NumColumns % headDim != 0) throw new ShapeException($"{x.NumColumns} columns are no heads of {headDim}");
        RequireVector(gain, headDim);
        RmsNormCore(x, gain, epsilon, headDim, x);
    }

    /// <summary>
    /// Cosines and sines of some rows: angle = (double)position * inverseFrequencies[i], own cos and sin in double, times scale in double,
    /// rounded to float32. output: [positions, 2 * n], n cosines, then n sines; rows of one tensor may be filled by several calls.
    /// </summary>
    public void RopeTable(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output)
    {
        RequireShape(output, positions.Length, 2 * inverseFrequencies.Length);
        RopeTableCore(positions, inverseFrequencies, scale, output);
    }

    /// <summary>
    /// Rotates the pairs (a, b) of elements [offset, offset + rotaryDim) of each head in place, rotaryDim = table columns:
    /// a' = fma(a, cos, -(b * sin)), b' = fma(b, cos, a * sin) with the products b * sin and a * sin rounded. x: [rows, heads * headDim].
    /// </summary>
    public void Rope(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs)
    {
        if (headDim <= 0 || x.NumColumns % headDim != 0) throw new ShapeException($"{x.NumColumns} columns are no heads of {headDim}");
        if (table.NumRows != x.NumRows || offset < 0 || offset + table.NumColumns > headDim)
            throw new ShapeException($"a rope table {table} at {offset} for {x} with heads of {headDim}");
        RopeCore(x, table, headDim, offset, pairs);
    }

    /// <summary>
    /// Rounds keys [rows, kvHeads * KeyWidth] and values [rows, kvHeads * ValueWidth] (null with ValuesInKeys) to the cache's type
    /// (nearest even) and writes them to the pages of their positions.
    /// </summary>
    public void AppendKv(KvCache cache, StepBatch batch, Tensor keys, Tensor? values)
    {
        KvLayout layout = cache.Layout;
        RequireShape(keys, batch.NumRows, layout.NumKvHeads * layout.KeyWidth);
        if (values is null != layout.ValuesInKeys) throw new ShapeException($"values do not fit {layout}");
        if (values is { } v) RequireShape(v, batch.NumRows, layout.NumKvHeads * layout.ValueWidth);
        RequirePages(cache, batch);
        AppendKvCore(cache, batch, keys, values ?? keys);
    }

    /// <summary>
    /// Causal attention over the cache, the step's own rows (appended before) included: segments of 1,024 positions, blocks of 16, as
    /// NUMERICS.md says. query: [rows, heads * KeyWidth], out: [rows, heads * ValueWidth].
    /// </summary>
    public Tensor Attention(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape)
    {
        RequireShape(query, batch.NumRows, shape.NumHeads * cache.Layout.KeyWidth);
        RequirePages(cache, batch);
        if (shape.NumHeads > 0 && (shape.KvHead(0) < 0 || shape.KvHead(shape.NumHeads - 1) >= cache.Layout.NumKvHeads))
            throw new ShapeException($"{shape} reads KV heads outside {cache.Layout}");
        Tensor output = Arena.Allocate(batch.NumRows, shape.NumHeads * cache.Layout.ValueWidth);
        AttentionCore(query, cache, batch, shape, output);
        return output;
    }

    /// <summary>out[t, i] = silu(gateUp[t, i]) * gateUp[t, n + i], silu(g) = g / (1 + exp(-g)). gateUp: [tokens, 2 n], out: [tokens, n].</summary>
    public Tensor SiluMul(Tensor gateUp)
    {
        if (gateUp.NumColumns % 2 != 0) throw new ShapeException($"{gateUp} is no pair of gate and up");
        Tensor output = Arena.Allocate(gateUp.NumRows, gateUp.NumColumns / 2);
        SiluMulCore(gateUp, output);
        return output;
    }

    /// <summary>a += b, element by element.</summary>
    public void Add(Tensor a, Tensor b)
    {
        RequireShape(b, a.NumRows, a.NumColumns);
        AddCore(a, b);
    }

    /// <summary>a[t] += b for every row. b: [1, n].</summary>
    public void AddRow(Tensor a, Tensor b)
    {
        RequireVector(b, a.NumColumns);
        AddRowCore(a, b);
    }

    /// <summary>The given rows of x, copied: [rows, columns].</summary>
    public Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        foreach (int row in rows)
            if ((uint)row >= (uint)x.NumRows) throw new ShapeException($"row {row} of {x}");
        Tensor output = Arena.Allocate(rows.Length, x.NumColumns);
        SelectRowsCore(x, rows, output);
        return output;
    }

    /// <summary>
    /// Chooses experts from router logits [tokens, numExperts]. Scores: softmax (exp(l - max), sum over 16 lanes, division) or sigmoid
    /// 1 / (1 + exp(-l)). Choice scores: scores + correctionBias (or scores). With groups: a group's score is the sum of its two best
    /// choice scores (best first); experts outside the TopkGroups best groups have choice score 0, as in Hugging Face. The
    /// ExpertsPerToken best are chosen, ties to the lower index. Weights: the chosen scores, divided by their sum (added in ascending
    /// expert order; + 1e-20f for sigmoid) where NormTopkProb, times ScalingFactor.
    /// </summary>
    public Routing Route(Tensor logits, RouterOptions options, Tensor? correctionBias = null)
    {
        RequireColumns(logits, options.NumExperts);
        if (correctionBias is { } bias) RequireVector(bias, options.NumExperts);
        if (options.ExpertsPerToken < 1 || options.ExpertsPerToken > options.NumExperts || options.NumGroups < 1
            || options.NumExperts % options.NumGroups != 0 || options.TopkGroups < 1 || options.TopkGroups > options.NumGroups)
            throw new ShapeException($"router options {options} do not fit together");
        nint count = (nint)logits.NumRows * options.ExpertsPerToken;
        var routing = new Routing(
            logits.NumRows, options.ExpertsPerToken, Arena.AllocateBytes(count * sizeof(int)), Arena.AllocateBytes(count * sizeof(float)));
        RouteCore(logits, options, correctionBias, routing);
        return routing;
    }

    /// <summary>
    /// The mixture's MLP. For a chosen, held expert e of token t: h = SiluMul(MatMul(x[t], GateUp[e])); in each held leaf, part =
    /// dot(h[leaf], Down[e][n, leaf]), and round(weight * part) enters the tree over expert index (growing tree, absent experts
    /// skipped). The shared expert's part (no weight) is added last in its leaf. Then, where all of a leaf is held, the tree over leaves.
    /// x: [tokens, hidden]; values: [numNodes * tokens, hidden], present by the token's routing.
    /// </summary>
    public PartialSums ExpertMlp(Tensor x, Routing routing, ExpertBank bank)
    {
        if (routing.NumTokens != x.NumRows) throw new ShapeException($"a routing of {routing.NumTokens} tokens for {x}");
        foreach (Weight weight in bank.GateUp) RequireColumns(x, weight.NumColumns);
        int numNodes = bank.Layout.Nodes.Length;
        Tensor output = Arena.Allocate(numNodes * x.NumRows, x.NumColumns);
        nint present = bank.Layout.NumExperts == 0 ? 0 : Arena.AllocateBytes((nint)numNodes * x.NumRows);
        ExpertMlpCore(x, routing, bank, output, present);
        return new PartialSums(bank.Layout, output, x.NumRows, present);
    }

    /// <summary>See <see cref="Embed"/>; present is 0 where every id is held.</summary>
    protected abstract void EmbedCore(Weight table, int firstId, ReadOnlySpan<int> ids, Tensor output, nint present);

    /// <summary>See <see cref="MatMul"/>.</summary>
    protected abstract void MatMulCore(Tensor x, Weight weight, Tensor output);

    /// <summary>See <see cref="MatMulPartial"/>.</summary>
    protected abstract void MatMulPartialCore(Tensor x, Weight weight, Tensor output);

    /// <summary>Copies a matrix; here for devices whose memory the host can read.</summary>
    protected virtual unsafe void CopyCore(Tensor source, Tensor destination)
    {
        nint bytes = (nint)source.NumColumns * sizeof(float);
        for (int row = 0; row < source.NumRows; row++) Buffer.MemoryCopy(source.Row(row), destination.Row(row), bytes, bytes);
    }

    /// <summary>See <see cref="AddNodes"/>.</summary>
    protected abstract void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output);

    /// <summary>See <see cref="RmsNorm"/>; output may be x.</summary>
    protected abstract void RmsNormCore(Tensor x, Tensor gain, float epsilon, int headDim, Tensor output);

    /// <summary>See <see cref="RopeTable"/>.</summary>
    protected abstract void RopeTableCore(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output);

    /// <summary>See <see cref="Rope"/>.</summary>
    protected abstract void RopeCore(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs);

    /// <summary>See <see cref="AppendKv"/>; values are to be ignored with ValuesInKeys.</summary>
    protected abstract void AppendKvCore(KvCache cache, StepBatch batch, Tensor keys, Tensor values);

    /// <summary>See <see cref="Attention"/>.</summary>
    protected abstract void AttentionCore(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape, Tensor output);

    /// <summary>See <see cref="SiluMul"/>.</summary>
    protected abstract void SiluMulCore(Tensor gateUp, Tensor output);

    /// <summary>See <see cref="Add"/>.</summary>
    protected abstract void AddCore(Tensor a, Tensor b);

    /// <summary>See <see cref="AddRow"/>.</summary>
    protected abstract void AddRowCore(Tensor a, Tensor b);

    /// <summary>See <see cref="SelectRows"/>.</summary>
    protected abstract void SelectRowsCore(Tensor x, ReadOnlySpan<int> rows, Tensor output);

    /// <summary>See <see cref="Route"/>.</summary>
    protected abstract void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing);

    /// <summary>See <see cref="ExpertMlp"/>.</summary>
    protected abstract void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present);

    private static void RequireColumns(Tensor x, int numColumns)
    {
        if (x.NumColumns != numColumns) throw new ShapeException($"expected {numColumns} columns, got {x}");
    }

    private static void RequireShape(Tensor x, int numRows, int numColumns)
    {
        if (x.NumRows != numRows || x.NumColumns != numColumns) throw new ShapeException($"expected [{numRows}, {numColumns}], got {x}");
    }

    private static void RequireVector(Tensor x, int numColumns) => RequireShape(x, 1, numColumns);

    private static void RequirePages(KvCache cache, StepBatch batch)
    {
        for (int s = 0; s < batch.NumSequences; s++)
            foreach (int page in batch.Pages(s))
                if ((uint)page >= (uint)cache.NumPages) throw new ShapeException($"page {page} of {cache.NumPages}");
    }
}
