using System.Runtime.CompilerServices;
using Exo.Kernels.Numerics;

namespace Exo.Kernels.Cpu;

/// <summary>
/// What a run of positions gives each query of a unit: Max[q], the largest score (-inf where the query sees none of them, and then nothing
/// else counts); Denominators[q, 16], by position mod 16 until the segment is finished, then their sum in lane 0; Sums[q, Width], the
/// weighted values.
/// </summary>
internal readonly unsafe struct Segment
{
    /// <summary>Positions of a segment.</summary>
    public const int Size = 1024;

    /// <summary>A state in memory of sizes.StateFloats floats.</summary>
    public Segment(float* memory, AttentionSizes sizes)
    {
        Max = memory;
        Denominators = memory + sizes.MaxQueries;
        Sums = Denominators + ((nint)sizes.MaxQueries * Lanes.Count);
        Width = sizes.PaddedValueWidth;
    }

    /// <summary>[queries].</summary>
    public float* Max { get; }

    /// <summary>[queries, 16].</summary>
    public float* Denominators { get; }

    /// <summary>[queries, Width].</summary>
    public float* Sums { get; }

    /// <summary>Floats of a row of <see cref="Sums"/>.</summary>
    public int Width { get; }

    /// <summary>Before the first position.</summary>
    public void Clear(int numQueries)
    {
        new Span<float>(Max, numQueries).Fill(float.NegativeInfinity);
        new Span<float>(Denominators, numQueries * Lanes.Count).Clear();
        new Span<float>(Sums, numQueries * Width).Clear();
    }

    /// <summary>Adds up the denominators' lanes after the last position.</summary>
    public void Finish(int numQueries)
    {
        for (int q = 0; q < numQueries; q++) Denominators[(nint)q * Lanes.Count] = Lanes.Add(Denominators + ((nint)q * Lanes.Count));
    }

    /// <summary>
    /// This state becomes the merger of itself and a later one: with m the larger maximum, ra = exp(Max - m), rb = exp(later.Max - m), each
    /// of denominator and sums becomes fma(later, rb, this * ra). A query that one side has not seen is taken from the other unchanged.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Merge<TSimd, TVector>(Segment later, int numQueries)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int q = 0; q < numQueries; q++)
        {
            float a = Max[q], b = later.Max[q];
            if (float.IsNegativeInfinity(b)) continue;
            float* sums = Sums + ((nint)q * Width), others = later.Sums + ((nint)q * Width);
            float* denominator = Denominators + ((nint)q * Lanes.Count), other = later.Denominators + ((nint)q * Lanes.Count);
            if (float.IsNegativeInfinity(a))
            {
                Max[q] = b;
                *denominator = *other;
                new ReadOnlySpan<float>(others, Width).CopyTo(new Span<float>(sums, Width));
                continue;
            }
            float larger = MathF.Max(a, b), ra = Fp.Exp(a - larger), rb = Fp.Exp(b - larger);
            Max[q] = larger;
            *denominator = MathF.FusedMultiplyAdd(*other, rb, *denominator * ra);
            TVector factorA = TSimd.Broadcast(ra), factorB = TSimd.Broadcast(rb);
            for (int i = 0; i < Width; i += TSimd.Width)
                TSimd.Store(sums + i, TSimd.Fma(TSimd.Load(others + i), factorB, TSimd.Multiply(TSimd.Load(sums + i), factorA)));
        }
    }
}
