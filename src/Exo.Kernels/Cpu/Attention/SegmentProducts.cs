using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>Queries [First, First + Count) of a unit.</summary>
internal readonly record struct QueryRange(int First, int Count);

/// <summary>The two products of some queries with one or more blocks: scores with their keys, sums of their values.</summary>
internal static unsafe class SegmentProducts<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Block = KvLayout.PageSize;
    private const int MaxBlocks = AttentionSizes.MaxBlocksAtOnce;
    private const int NumVectors = WideTileJob.NumVectors;

    // Four vectors of a step want the 32 registers that come with vectors of 16 lanes.
    private static bool HasWideTiles
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TSimd.Width == Block;
    }

    /// <summary>scratch.Scores [numBlocks, queries, 16] = queries * keys.</summary>
    public static void Scores(in AttentionJob job, KvBlock* blocks, int numBlocks, QueryRange queries, in UnitScratch scratch)
    {
        byte** places = stackalloc byte*[MaxBlocks];
        nint* ahead = stackalloc nint[MaxBlocks];
        for (int i = 0; i < numBlocks; i++)
        {
            places[i] = blocks[i].Keys;
            ahead[i] = blocks[i].KeysAhead;
        }
        float* first = scratch.Queries + (queries.First * scratch.QueryStride);
        if (HasWideTiles && numBlocks == NumVectors && (scratch.IsScaled || !blocks->KeysAreHalf))
        {
            var wide = new WideTileJob
            {
                A = first,
                AStride = scratch.QueryStride,
                B = places,
                Ahead = ahead,
                BStep = Block * (blocks->KeysAreHalf ? sizeof(ushort) : sizeof(float)),
                NumSections = 1,
                Depth = job.Layout.KeyWidth,
                Output = scratch.Scores,
                OutputStride = Block,
                OutputVector = (nint)queries.Count * Block,
            };
            MultiplyWide(wide, blocks->KeysAreHalf, queries.Count);
            return;
        }
        var scores = new TileJob
        {
            A = first,
            AStride = scratch.QueryStride,
            BStride = Block,
            NumSections = 1,
            Depth = job.Layout.KeyWidth,
            OutputStride = Block,
        };
        for (int i = 0; i < numBlocks; i++)
        {
            scores.B = places + i;
            scores.Ahead = ahead + i;
            scores.Output = scratch.Scores + ((nint)i * queries.Count * Block);
            Multiply(scores, blocks[i].KeysAreHalf, job.IsFinite, scratch.IsScaled, queries.Count, Block);
        }
    }

    /// <summary>state.Sums = state.Sums * factor + probabilities * values, block by block.</summary>
    public static void Sums(
        in AttentionJob job, KvBlock* blocks, int numBlocks, QueryRange queries, Cells cells, in UnitScratch scratch, Segment state)
    {
        bool isHalf = blocks->ValuesAreHalf;
        int elementBytes = isHalf ? sizeof(ushort) : sizeof(float), columns = blocks->ValueColumns, column = 0;
        nint skipped = cells.First * blocks->ValueStride * elementBytes;
        float* output = state.Sums + ((nint)queries.First * state.Width);
        if (HasWideTiles && (scratch.IsScaled || !isHalf))
        {
            var wide = new WideTileJob
            {
                A = scratch.Scores + cells.First,
                AStride = Block,
                ASection = (nint)queries.Count * Block,
                BStep = blocks->ValueStride * elementBytes,
                Factors = scratch.Factors,
                FactorSection = queries.Count,
                NumSections = numBlocks,
                Depth = cells.Count,
                OutputStride = state.Width,
                OutputVector = TSimd.Width,
            };
            column = WideSums(wide, blocks, skipped, output, queries.Count);
            if (column == columns) return;
        }
        byte** places = stackalloc byte*[MaxBlocks];
        nint* ahead = stackalloc nint[MaxBlocks];
        for (int i = 0; i < numBlocks; i++)
        {
            places[i] = blocks[i].Values + skipped + ((nint)column * elementBytes);
            ahead[i] = blocks[i].ValuesAhead;
        }
        var sums = new TileJob
        {
            A = scratch.Scores + cells.First,
            AStride = Block,
            ASection = (nint)queries.Count * Block,
            B = places,
            Ahead = ahead,
            BStride = blocks->ValueStride,
            Factors = scratch.Factors,
            FactorSection = queries.Count,
            NumSections = numBlocks,
            Depth = cells.Count,
            Output = output + column,
            OutputStride = state.Width,
        };
        Multiply(sums, isHalf, job.IsFinite, scratch.IsScaled, queries.Count, columns - column);
    }

    // As many columns as four vectors hold, as often as there are so many; returns how many columns are done.
    private static int WideSums(WideTileJob wide, KvBlock* blocks, nint skipped, float* output, int numRows)
    {
        byte** places = stackalloc byte*[MaxBlocks * NumVectors];
        nint* ahead = stackalloc nint[MaxBlocks * NumVectors];
        bool isHalf = blocks->ValuesAreHalf;
        nint vectorBytes = TSimd.Width * (isHalf ? sizeof(ushort) : sizeof(float));
        for (int i = 0; i < wide.NumSections * NumVectors; i++)
        {
            (int section, int vector) = Math.DivRem(i, NumVectors);
            places[i] = blocks[section].Values + skipped + (vector * vectorBytes);
            ahead[i] = blocks[section].ValuesAhead;
        }
        wide.B = places;
        wide.Ahead = ahead;
        int column = 0, width = NumVectors * TSimd.Width;
        for (; column <= blocks->ValueColumns - width; column += width)
        {
            wide.Output = output + column;
            MultiplyWide(wide, isHalf, numRows);
            for (int i = 0; i < wide.NumSections * NumVectors; i++) places[i] += NumVectors * vectorBytes;
        }
        return column;
    }

    private static void MultiplyWide(in WideTileJob tile, bool isHalf, int numRows)
    {
        if (isHalf) WideTile<TSimd, TVector, SmallHalfElement<TSimd, TVector>>.Multiply(tile, numRows);
        else WideTile<TSimd, TVector, FloatElement<TSimd, TVector>>.Multiply(tile, numRows);
    }

    private static void Multiply(in TileJob tile, bool isHalf, bool isFinite, bool isScaled, int numRows, int numColumns)
    {
        if (!isHalf) Tile<TSimd, TVector, FloatElement<TSimd, TVector>>.Multiply(tile, numRows, numColumns);
        else if (isScaled) Tile<TSimd, TVector, SmallHalfElement<TSimd, TVector>>.Multiply(tile, numRows, numColumns);
        else if (isFinite) Tile<TSimd, TVector, FiniteHalfElement<TSimd, TVector>>.Multiply(tile, numRows, numColumns);
        else Tile<TSimd, TVector, HalfElement<TSimd, TVector>>.Multiply(tile, numRows, numColumns);
    }
}
