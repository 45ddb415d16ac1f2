using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>Columns of a 16-bit panel to float32: [columns][16], once for all tokens of a block.</summary>
internal static unsafe class PanelUnpacker
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack128<TPanel>(byte* from, nint columns, float* to)
        where TPanel : struct, IFloatPanel
    {
        for (nint k = 0; k < columns; k++, from += TPanel.ColumnBytes, to += 16)
        {
            TPanel.Load(from, out Vector128<float> a, out Vector128<float> b, out Vector128<float> c, out Vector128<float> d);
            a.Store(to);
            b.Store(to + 4);
            c.Store(to + 8);
            d.Store(to + 12);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack256<TPanel>(byte* from, nint columns, float* to)
        where TPanel : struct, IFloatPanel
    {
        for (nint k = 0; k < columns; k++, from += TPanel.ColumnBytes, to += 16)
        {
            TPanel.Load(from, out Vector256<float> low, out Vector256<float> high);
            low.Store(to);
            high.Store(to + 8);
        }
    }
}
