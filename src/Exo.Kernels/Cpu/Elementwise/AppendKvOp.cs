using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Exo.Kernels.Numerics;

namespace Exo.Kernels.Cpu;

/// <summary>
/// Writes rows of keys and values to their cells: key element d of head h goes to [h][d][cell] of its page, value element d to
/// [h][cell][d]. The rows are one sequence's, the row `row` at position FirstPosition + row.
/// </summary>
internal unsafe struct AppendKvOp : IRowOp
{
    public float* Keys;
    public nint KeysStride;
    public float* Values;
    public nint ValuesStride;
    public int* Pages;
    public int FirstPosition;
    public nint CacheAddress;
    public nint PageBytes;
    public KvLayout Layout;
    public DType Type;

    /// <summary>Set to 1 where a half became infinite or NaN.</summary>
    public int* NonFinite;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TSimd, TVector>(int start, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int keys = Layout.NumKvHeads * Layout.KeyWidth, values = Layout.ValuesInKeys ? 0 : Layout.NumKvHeads * Layout.ValueWidth;
        for (int row = start; row < end; row++)
        {
            int position = FirstPosition + row, cell = position % KvLayout.PageSize;
            byte* page = (byte*)CacheAddress + (Pages[position / KvLayout.PageSize] * PageBytes);
            float* key = Keys + (row * KeysStride), value = Values + (row * ValuesStride);
            if (Type == DType.F32)
            {
                var target = (float*)page;
                for (int i = 0; i < keys; i++) target[((nint)i * KvLayout.PageSize) + cell] = key[i];
                target += Layout.KeyElements;
                for (int h = 0, i = 0; i < values; h++, i += Layout.ValueWidth)
                    Buffer.MemoryCopy(value + i, target + ValueOffset(h, cell), Layout.ValueWidth * 4L, Layout.ValueWidth * 4L);
            }
            else
            {
                var target = (ushort*)page;
                bool isFinite = Scatter(key, target + cell, keys);
                target += Layout.KeyElements;
                for (int h = 0, i = 0; i < values; h++, i += Layout.ValueWidth)
                    isFinite &= Round(value + i, target + ValueOffset(h, cell), Layout.ValueWidth);
                if (!isFinite) Volatile.Write(ref *NonFinite, 1);
            }
        }
    }

    private readonly nint ValueOffset(int head, int cell) => (((nint)head * KvLayout.PageSize) + cell) * Layout.ValueWidth;

    // Halves one cell apart; false where one of them is not finite.
    private static bool Scatter(float* source, ushort* target, int n)
    {
        Vector128<int> nonFinite = Vector128<int>.Zero;
        int i = 0;
        for (; i <= n - 4; i += 4, target += 4 * KvLayout.PageSize)
        {
            Vector128<int> halves = Fp.SingleToHalf(Vector128.Load(source + i));
            nonFinite |= HasLargestExponent(halves);
            target[0] = (ushort)halves.ToScalar();
            target[KvLayout.PageSize] = (ushort)halves.GetElement(1);
            target[2 * KvLayout.PageSize] = (ushort)halves.GetElement(2);
            target[3 * KvLayout.PageSize] = (ushort)halves.GetElement(3);
        }
        for (; i < n; i++, target += KvLayout.PageSize)
        {
            *target = Fp.SingleToHalf(source[i]);
            nonFinite |= HasLargestExponent(Vector128.Create((int)*target));
        }
        return nonFinite == Vector128<int>.Zero;
    }

    // Halves side by side; false where one of them is not finite.
    private static bool Round(float* source, ushort* target, int n)
    {
        Vector128<int> nonFinite = Vector128<int>.Zero;
        int i = 0;
        for (; i <= n - 4; i += 4)
        {
            Vector128<int> halves = Fp.SingleToHalf(Vector128.Load(source + i));
            nonFinite |= HasLargestExponent(halves);
            *(ulong*)(target + i) = Vector128.Narrow(halves.AsUInt32(), halves.AsUInt32()).AsUInt64().ToScalar();
        }
        for (; i < n; i++)
        {
            target[i] = Fp.SingleToHalf(source[i]);
            nonFinite |= HasLargestExponent(Vector128.Create((int)target[i]));
        }
        return nonFinite == Vector128<int>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> HasLargestExponent(Vector128<int> halves) =>
        Vector128.Equals(halves & Vector128.Create(0x7C00), Vector128.Create(0x7C00));
}
