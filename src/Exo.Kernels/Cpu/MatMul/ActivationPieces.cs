using System.Runtime.CompilerServices;
using Exo.Kernels.Numerics;

namespace Exo.Kernels;

/// <summary>
/// Activations made ready for the kernels: rounded to int8 blocks, and, for several tokens and float panels, laid out by tiles so that
/// a kernel reads the tokens of one column side by side. A piece is 12 tokens of one product: whole tiles of every size.
/// </summary>
internal static unsafe class ActivationPieces
{
    /// <summary>Pieces that a product needs.</summary>
    public static int Count(MatMulState* state) => MatMulJob.CeilDivide(state->NumTokens, KernelTable.MaxTileRows);

    /// <summary>Prepares one piece.</summary>
    public static void Run(void* argument, int piece, int worker)
    {
        var job = (MatMulJob*)argument;
        MatMulState* state = job->States;
        for (int count = Count(state); piece >= count; count = Count(state))
        {
            piece -= count;
            state++;
        }
        if (state->IsPrepared) return;
        int first = piece * KernelTable.MaxTileRows, end = Math.Min(first + KernelTable.MaxTileRows, state->NumTokens);
        if (state->Weight->HasInteger)
        {
            int tile = state->IntRows;
            for (int token = first; token < end; token += tile)
                QuantizeTile(state, token, Math.Min(token + tile, end), job->Kernels->RoundIntRows(Math.Min(tile, end - token)));
        }
        if (!state->Weight->HasFloat || !state->HasTiles) return;
        int rows = job->Kernels->TileRows;
        for (int token = first; token < end; token += rows)
            LayOutTile(state, token, Math.Min(token + rows, end), job->Kernels->RoundRows(Math.Min(rows, end - token)));
    }

    /// <summary>[block][rows]; rows beyond the last token are zero.</summary>
    private static void QuantizeTile(MatMulState* state, int first, int end, int rows)
    {
        ColumnPlan* plan = &state->Weight->Plan;
        nint index = (nint)first * plan->NumBlocks;
        for (int block = 0; block < plan->NumBlocks; block++)
        {
            int start = plan->BlockColumns[block], count = plan->BlockColumns[block + 1] - start;
            for (int r = 0; r < rows; r++, index++)
            {
                sbyte* quants = state->Quants + (index * ColumnPlan.BlockSize);
                bool isReal = first + r < end;
                if (count < ColumnPlan.BlockSize || !isReal) new Span<sbyte>(quants, ColumnPlan.BlockSize).Clear();
                int sum = 0;
                state->Scales[index] = isReal ? Int8Blocks.Quantize(state->RowOfX(first + r) + start, count, quants, out sum) : 0f;
                state->Sums[index] = sum;
                if (state->Wide != null) IntUnpacker.Widen(quants, state->Wide + (index * ColumnPlan.BlockSize));
            }
        }
    }

    /// <summary>[column][rows]; rows beyond the last token are zero. Four rows by four columns at a time, the rest one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LayOutTile(MatMulState* state, int first, int end, int rows)
    {
        nint numColumns = state->Weight->NumColumns, whole = numColumns & ~3;
        float* to = state->Tiles + (first * numColumns);
        int r = 0;
        for (; r + 4 <= Math.Min(rows, end - first); r += 4)
        {
            float* a = state->RowOfX(first + r), b = state->RowOfX(first + r + 1), c = state->RowOfX(first + r + 2),
                d = state->RowOfX(first + r + 3);
            for (nint k = 0; k < whole; k += 4) RowTransposer.Turn(a + k, b + k, c + k, d + k, to + (k * rows) + r, rows);
            for (nint k = whole; k < numColumns; k++)
            {
                float* column = to + (k * rows) + r;
                (column[0], column[1], column[2], column[3]) = (a[k], b[k], c[k], d[k]);
            }
        }
        for (; r < rows; r++)
        {
            bool isReal = first + r < end;
            float* x = isReal ? state->RowOfX(first + r) : null;
            for (nint k = 0; k < numColumns; k++) to[(k * rows) + r] = isReal ? x[k] : 0f;
        }
    }
}
