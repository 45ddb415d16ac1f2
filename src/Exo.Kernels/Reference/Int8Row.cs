using Exo.Kernels.Numerics;

namespace Exo.Kernels;

/// <summary>One row of activations, rounded to int8 in the blocks that a weight's columns and leaves demand.</summary>
public sealed unsafe class Int8Row
{
    /// <summary>Rounds a row for a product with <paramref name="weight"/>.</summary>
    public Int8Row(ReadOnlySpan<float> x, Weight weight)
    {
        Values = new sbyte[x.Length];
        int[] bounds = weight.Leaves?.Bounds ?? [weight.StartColumn, weight.StartColumn + weight.NumColumns];
        var blocks = new List<Block>();
        fixed (float* px = x)
        fixed (sbyte* pq = Values)
        {
            for (int leaf = 0; leaf + 1 < bounds.Length; leaf++)
            {
                for (int start = bounds[leaf], end; start < bounds[leaf + 1]; start = end)
                {
                    end = Int8Blocks.EndOfBlock(start, bounds[leaf + 1]);
                    int offset = start - weight.StartColumn;
                    float scale = Int8Blocks.Quantize(px + offset, end - start, pq + offset, out int sum);
                    blocks.Add(new Block(start, end, scale, sum));
                }
            }
        }
        Blocks = [.. blocks];
    }

    /// <summary>q, element 0 at the weight's first column.</summary>
    public sbyte[] Values { get; }

    /// <summary>The blocks in ascending order.</summary>
    public Block[] Blocks { get; }

    /// <summary>Stored columns [Start, End), their scale and the sum of their q.</summary>
    public readonly record struct Block(int Start, int End, float Scale, int Sum);
}
