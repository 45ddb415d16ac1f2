using System.Runtime.Intrinsics;
using Exo.Kernels.Cpu;

namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    // A fork-join costs a microsecond or two when the team has to be woken: work below this size stays on the calling thread.
    private const long ParallelElements = 32 * 1024;
    private const int PiecesPerThread = 4;

    /// <inheritdoc/>
    protected override void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output)
    {
        fixed (int* instructions = program.Instructions)
        fixed (NodeValues* values = nodes)
        {
            var op = new AddNodesOp
            {
                Instructions = instructions,
                NumInstructions = program.Instructions.Length,
                MaxDepth = program.MaxDepth,
                Nodes = values,
                Output = output.Pointer,
                OutputStride = output.RowStride,
                NumColumns = output.NumColumns,
            };
            ForRows(op, output.NumRows, (long)output.NumColumns * program.NumNodes);
        }
    }

    /// <inheritdoc/>
    protected override void RmsNormCore(Tensor x, Tensor gain, float epsilon, int headDim, Tensor output)
    {
        var op = new RmsNormOp
        {
            X = x.Pointer,
            XStride = x.RowStride,
            Gain = gain.Pointer,
            Epsilon = epsilon,
            HeadDim = headDim,
            NumHeads = headDim == 0 ? 0 : x.NumColumns / headDim,
            Output = output.Pointer,
            OutputStride = output.RowStride,
        };
        ForRows(op, x.NumRows, x.NumColumns);
    }

    /// <inheritdoc/>
    protected override void RopeTableCore(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output)
    {
        fixed (int* rows = positions)
        fixed (double* frequencies = inverseFrequencies)
        {
            var op = new RopeTableOp
            {
                Positions = rows,
                InverseFrequencies = frequencies,
                NumFrequencies = inverseFrequencies.Length,
                Scale = scale,
                Output = output.Pointer,
                OutputStride = output.RowStride,
            };
            ForRows(op, positions.Length, inverseFrequencies.Length * RopeTableOp.CostInElements);
        }
    }

    /// <inheritdoc/>
    protected override void RopeCore(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs)
    {
        var op = new RopeOp
        {
            X = x.Pointer,
            XStride = x.RowStride,
            Table = table.Pointer,
            TableStride = table.RowStride,
            NumPairs = table.NumColumns / 2,
            NumHeads = x.NumColumns / headDim,
            HeadDim = headDim,
            Offset = offset,
            Pairs = pairs,
        };
        ForRows(op, x.NumRows, x.NumColumns);
    }

    /// <inheritdoc/>
    protected override void AppendKvCore(KvCache cache, StepBatch batch, Tensor keys, Tensor values)
    {
        int nonFinite = 0;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            int firstRow = batch.RowStarts[s], numRows = batch.RowStarts[s + 1] - firstRow;
            fixed (int* pages = batch.Pages(s))
            {
                var op = new AppendKvOp
                {
                    Keys = keys.Row(firstRow),
                    KeysStride = keys.RowStride,
                    Values = values.Row(firstRow),
                    ValuesStride = values.RowStride,
                    Pages = pages,
                    FirstPosition = batch.Positions[firstRow],
                    CacheAddress = cache.Address,
                    PageBytes = cache.PageBytes,
                    Layout = cache.Layout,
                    Type = cache.Type,
                    NonFinite = &nonFinite,
                };
                ForRows(op, numRows, 2L * keys.NumColumns);
            }
        }
        cache.MayHoldNonFinite |= nonFinite != 0;
    }

    /// <inheritdoc/>
    protected override void SiluMulCore(Tensor gateUp, Tensor output)
    {
        var op = new SiluMulOp
        {
            GateUp = gateUp.Pointer,
            GateUpStride = gateUp.RowStride,
            Output = output.Pointer,
            OutputStride = output.RowStride,
            NumColumns = output.NumColumns,
        };
        ForRows(op, output.NumRows, 2L * output.NumColumns);
    }

    /// <inheritdoc/>
    protected override void AddCore(Tensor a, Tensor b) => AddRows(a, b, b.RowStride);

    /// <inheritdoc/>
    protected override void AddRowCore(Tensor a, Tensor b) => AddRows(a, b, 0);

    /// <inheritdoc/>
    protected override void SelectRowsCore(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        for (int i = 0; i < rows.Length; i++)
            new ReadOnlySpan<float>(x.Row(rows[i]), x.NumColumns).CopyTo(new Span<float>(output.Row(i), x.NumColumns));
    }

    private void AddRows(Tensor a, Tensor b, int bStride)
    {
        var op = new AddOp { A = a.Pointer, AStride = a.RowStride, B = b.Pointer, BStride = bStride, NumColumns = a.NumColumns };
        ForRows(op, a.NumRows, a.NumColumns);
    }

    /// <summary>All rows of an operation, in parallel where they are worth it.</summary>
    private void ForRows<TOp>(TOp op, int numRows, long elementsPerRow)
        where TOp : unmanaged, IRowOp
    {
        int numPieces = numRows * elementsPerRow < ParallelElements ? 1 : Math.Min(numRows, NumThreads * PiecesPerThread);
        int rowsPerPiece = numRows == 0 ? 0 : (numRows + numPieces - 1) / numPieces;
        var job = new RowJob<TOp> { Op = op, NumRows = numRows, RowsPerPiece = rowsPerPiece };
        numPieces = numRows == 0 ? 0 : (numRows + rowsPerPiece - 1) / rowsPerPiece;
        if (Isa == Isa.Avx512) Team.Run(numPieces, &RowJob<TOp>.Piece<Simd512, Vector512<float>>, &job);
        else if (Isa == Isa.Avx2) Team.Run(numPieces, &RowJob<TOp>.Piece<Simd256, Vector256<float>>, &job);
        else Team.Run(numPieces, &RowJob<TOp>.Piece<Simd128, Vector128<float>>, &job);
    }
}
