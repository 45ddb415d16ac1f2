using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Exo.Kernels.Numerics;

/// <summary>
/// Activations rounded to int8 (NUMERICS.md, integer paths). A block is at most 32 activations: blocks end at stored columns that are
/// multiples of 32, and where a leaf begins. scale = absmax / 127, q = round to nearest even of x / scale; a block whose absmax is below
/// 2^-100 is all zero, scale included.
/// </summary>
public static unsafe class Int8Blocks
{
    /// <summary>Activations of a whole block.</summary>
    public const int Size = 32;

    private const float Smallest = 7.888609052210118e-31f; // 2^-100
    private const float RoundingShift = 12582912f;          // 1.5 * 2^23: its sum with |v| < 2^22 rounds v to an integer, ties to even
    private const int RoundingShiftBits = 0x4B400000;

    /// <summary>Where the block that begins at a stored column ends, inside a leaf that ends at <paramref name="leafEnd"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int EndOfBlock(int column, int leafEnd) => Math.Min((column | (Size - 1)) + 1, leafEnd);

    /// <summary>Blocks of the stored columns [start, end) of one leaf.</summary>
    public static int Count(int start, int end) => start >= end ? 0 : ((end - 1) / Size) - (start / Size) + 1;

    /// <summary>Rounds one block x[count] to q[count]; sum is the sum of q. Returns the scale.</summary>
    public static float Quantize(float* x, int count, sbyte* q, out int sum)
    {
        if (count == Size) return QuantizeWhole(x, q, out sum);
        float largest = 0f;
        for (int i = 0; i < count; i++) largest = MathF.Max(largest, MathF.Abs(x[i]));
        sum = 0;
        if (largest < Smallest)
        {
            for (int i = 0; i < count; i++) q[i] = 0;
            return 0f;
        }
        float scale = largest / 127f;
        for (int i = 0; i < count; i++)
        {
            int rounded = Round(x[i] / scale);
            q[i] = (sbyte)rounded;
            sum += rounded;
        }
        return scale;
    }

    // The same for 32 activations: lane i of vector v is x[8 v + i].
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float QuantizeWhole(float* x, sbyte* q, out int sum)
    {
        Vector256<float> x0 = Vector256.Load(x), x1 = Vector256.Load(x + 8), x2 = Vector256.Load(x + 16), x3 = Vector256.Load(x + 24);
        Vector256<float> most = Vector256.MaxNative(
            Vector256.MaxNative(Vector256.Abs(x0), Vector256.Abs(x1)), Vector256.MaxNative(Vector256.Abs(x2), Vector256.Abs(x3)));
        Vector128<float> half = Vector128.MaxNative(most.GetLower(), most.GetUpper());
        half = Vector128.MaxNative(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        half = Vector128.MaxNative(half, Vector128.Shuffle(half, Vector128.Create(1, 0, 3, 2)));
        float largest = half.ToScalar();
        sum = 0;
        if (largest < Smallest)
        {
            Vector256<sbyte>.Zero.Store(q);
            return 0f;
        }
        float scale = largest / 127f;
        Vector256<float> divisor = Vector256.Create(scale);
        Vector256<int> q0 = Round(x0 / divisor), q1 = Round(x1 / divisor), q2 = Round(x2 / divisor), q3 = Round(x3 / divisor);
        sum = Vector256.Sum(q0 + q1 + q2 + q3);
        Narrow(q0, q1, q2, q3).Store(q);
        return scale;
    }

    // The 32 integers as bytes, in order. Packing works inside 128-bit halves: four bytes each of q0 q1 q2 q3's lower halves come first, then
    // those of the upper; the permutation interleaves the two.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Narrow(Vector256<int> q0, Vector256<int> q1, Vector256<int> q2, Vector256<int> q3)
    {
        if (!Avx2.IsSupported) return Vector256.Create(Narrow(q0, q1), Narrow(q2, q3));
        Vector256<sbyte> packed = Avx2.PackSignedSaturate(Avx2.PackSignedSaturate(q0, q1), Avx2.PackSignedSaturate(q2, q3));
        return Avx2.PermuteVar8x32(packed.AsInt32(), Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsSByte();
    }

    // In halves, which NEON has instructions for: it has none for vectors of 256 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Narrow(Vector256<int> a, Vector256<int> b) => Vector128.Narrow(
        Vector128.Narrow(a.GetLower(), a.GetUpper()), Vector128.Narrow(b.GetLower(), b.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Round(float value) => BitConverter.SingleToInt32Bits(value + RoundingShift) - RoundingShiftBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Round(Vector256<float> value) =>
        (value + Vector256.Create(RoundingShift)).AsInt32() - Vector256.Create(RoundingShiftBits);
}
