namespace Exo.Kernels;

/// <summary>Which sums a product with a row-parallel weight yields.</summary>
internal enum LeafOutput
{
    /// <summary>One vector for each node of the weight's layout: the tree over its leaves. A column-parallel weight has one node.</summary>
    Nodes,

    /// <summary>One vector for each leaf held, not added up (experts are weighted and added inside a leaf first).</summary>
    Leaves,
}

/// <summary>How a product's activations are prepared.</summary>
internal enum ActivationLayout
{
    /// <summary>As <see cref="MatMulPieces.Run"/> multiplies them: several tokens by tiles, one token as it is.</summary>
    ByTokens,

    /// <summary>By tiles, be it one token.</summary>
    Tiles,
}

/// <summary>
/// One product of many that run in one parallel region: out[v][t, n] = sums of dot(x[t], w[n]) for each vector v that
/// <see cref="Output"/> names. X: [NumTokens, columns], rows XStride floats apart. Out: vector v, row t at
/// Destination + v * VectorStride + t * RowStride.
/// </summary>
internal readonly unsafe struct MatMulTask
{
    /// <summary>A weight of this device.</summary>
    public required CpuWeight Weight { get; init; }

    /// <summary>First activation.</summary>
    public required float* X { get; init; }

    /// <summary>Floats between the rows of x.</summary>
    public required int XStride { get; init; }

    /// <summary>Row t of x lies at X + Rows[t] * XStride; null: at X + t * XStride. One row needs none.</summary>
    public int* Rows { get; init; }

    /// <summary>Rows of x; may be none.</summary>
    public required int NumTokens { get; init; }

    /// <summary>First result.</summary>
    public required float* Destination { get; init; }

    /// <summary>Floats between the rows of a result vector.</summary>
    public required int RowStride { get; init; }

    /// <summary>Floats between the results of two nodes or leaves.</summary>
    public nint VectorStride { get; init; }

    /// <summary>By tiles where something else than <see cref="MatMulPieces.Run"/> multiplies them.</summary>
    public ActivationLayout Layout { get; init; }

    /// <summary>Nodes or leaves.</summary>
    public LeafOutput Output { get; init; }
}
