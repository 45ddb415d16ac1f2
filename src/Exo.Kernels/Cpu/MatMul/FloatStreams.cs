using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// One token times float panels: for each of 4 panels (or 1), sum[output] = fma(x[k], w[k, output], sum) for ascending k, from zero.
/// The four panels lie far apart and are read side by side: four sequential streams keep the hardware prefetchers busy.
/// Sums: [panels][16].
/// </summary>
internal static unsafe class FloatStreams
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four256<TPanel>(float* x, byte* panel, nint distance, nint start, nint end, float* sums)
        where TPanel : struct, IFloatPanel
    {
        byte* p0 = panel, p1 = p0 + distance, p2 = p1 + distance, p3 = p2 + distance;
        Vector256<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        nint offset = start * TPanel.ColumnBytes;
        for (nint k = start; k < end; k++, offset += TPanel.ColumnBytes)
        {
            Vector256<float> xk = Vector256.Create(x[k]);
            TPanel.Load(p0 + offset, out Vector256<float> low, out Vector256<float> high);
            a0 = Vector256.FusedMultiplyAdd(xk, low, a0);
            a1 = Vector256.FusedMultiplyAdd(xk, high, a1);
            TPanel.Load(p1 + offset, out low, out high);
            b0 = Vector256.FusedMultiplyAdd(xk, low, b0);
            b1 = Vector256.FusedMultiplyAdd(xk, high, b1);
            TPanel.Load(p2 + offset, out low, out high);
            c0 = Vector256.FusedMultiplyAdd(xk, low, c0);
            c1 = Vector256.FusedMultiplyAdd(xk, high, c1);
            TPanel.Load(p3 + offset, out low, out high);
            d0 = Vector256.FusedMultiplyAdd(xk, low, d0);
            d1 = Vector256.FusedMultiplyAdd(xk, high, d1);
        }
        a0.Store(sums);
        a1.Store(sums + 8);
        b0.Store(sums + 16);
        b1.Store(sums + 24);
        c0.Store(sums + 32);
        c1.Store(sums + 40);
        d0.Store(sums + 48);
        d1.Store(sums + 56);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One256<TPanel>(float* x, byte* panel, nint distance, nint start, nint end, float* sums)
        where TPanel : struct, IFloatPanel
    {
        Vector256<float> a0 = default, a1 = default;
        byte* column = panel + (start * TPanel.ColumnBytes);
        for (nint k = start; k < end; k++, column += TPanel.ColumnBytes)
        {
            Vector256<float> xk = Vector256.Create(x[k]);
            TPanel.Load(column, out Vector256<float> low, out Vector256<float> high);
            a0 = Vector256.FusedMultiplyAdd(xk, low, a0);
            a1 = Vector256.FusedMultiplyAdd(xk, high, a1);
        }
        a0.Store(sums);
        a1.Store(sums + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four128<TPanel>(float* x, byte* panel, nint distance, nint start, nint end, float* sums)
        where TPanel : struct, IFloatPanel
    {
        // Two panels at once: 8 sums and what a column unpacks to fill the 16 registers of x86 and leave NEON's 32 room.
        Two128<TPanel>(x, panel, panel + distance, start, end, sums);
        Two128<TPanel>(x, panel + (2 * distance), panel + (3 * distance), start, end, sums + 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One128<TPanel>(float* x, byte* panel, nint distance, nint start, nint end, float* sums)
        where TPanel : struct, IFloatPanel
    {
        Vector128<float> a0 = default, a1 = default, a2 = default, a3 = default;
        byte* column = panel + (start * TPanel.ColumnBytes);
        for (nint k = start; k < end; k++, column += TPanel.ColumnBytes)
        {
            Vector128<float> xk = Vector128.Create(x[k]);
            TPanel.Load(column, out Vector128<float> w0, out Vector128<float> w1, out Vector128<float> w2, out Vector128<float> w3);
            a0 = Vector128.FusedMultiplyAdd(xk, w0, a0);
            a1 = Vector128.FusedMultiplyAdd(xk, w1, a1);
            a2 = Vector128.FusedMultiplyAdd(xk, w2, a2);
            a3 = Vector128.FusedMultiplyAdd(xk, w3, a3);
        }
        a0.Store(sums);
        a1.Store(sums + 4);
        a2.Store(sums + 8);
        a3.Store(sums + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two128<TPanel>(float* x, byte* p0, byte* p1, nint start, nint end, float* sums)
        where TPanel : struct, IFloatPanel
    {
        Vector128<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        nint offset = start * TPanel.ColumnBytes;
        for (nint k = start; k < end; k++, offset += TPanel.ColumnBytes)
        {
            Vector128<float> xk = Vector128.Create(x[k]);
            TPanel.Load(p0 + offset, out Vector128<float> w0, out Vector128<float> w1, out Vector128<float> w2, out Vector128<float> w3);
            a0 = Vector128.FusedMultiplyAdd(xk, w0, a0);
            a1 = Vector128.FusedMultiplyAdd(xk, w1, a1);
            a2 = Vector128.FusedMultiplyAdd(xk, w2, a2);
            a3 = Vector128.FusedMultiplyAdd(xk, w3, a3);
            TPanel.Load(p1 + offset, out w0, out w1, out w2, out w3);
            b0 = Vector128.FusedMultiplyAdd(xk, w0, b0);
            b1 = Vector128.FusedMultiplyAdd(xk, w1, b1);
            b2 = Vector128.FusedMultiplyAdd(xk, w2, b2);
            b3 = Vector128.FusedMultiplyAdd(xk, w3, b3);
        }
        a0.Store(sums);
        a1.Store(sums + 4);
        a2.Store(sums + 8);
        a3.Store(sums + 12);
        b0.Store(sums + 16);
        b1.Store(sums + 20);
        b2.Store(sums + 24);
        b3.Store(sums + 28);
    }
}
