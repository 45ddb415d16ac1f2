using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>Panels of floats.</summary>
internal static unsafe class FloatPacker
{
    private const int ColumnsAtOnce = 64;

    /// <summary>F32 to F32 panels.</summary>
    public static void PackF32(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            var to = (float*)job->Part->Panel(panel);
            if (job->RowsOf(panel) < PackedWeight.PanelRows) NativeMemory.Clear(to, (nuint)job->Part->PanelBytes);
            for (int column = 0; column < job->NumColumns; column += ColumnsAtOnce)
                CopyF32(job, panel, column, Math.Min(column + ColumnsAtOnce, job->NumColumns), to);
        }
    }

    /// <summary>F16 or BF16 to panels of the same type, outputs i and i + 8 side by side.</summary>
    public static void Pack16(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            var to = (ushort*)job->Part->Panel(panel);
            if (job->RowsOf(panel) < PackedWeight.PanelRows) NativeMemory.Clear(to, (nuint)job->Part->PanelBytes);
            for (int column = 0; column < job->NumColumns; column += ColumnsAtOnce)
                Copy16(job, panel, column, Math.Min(column + ColumnsAtOnce, job->NumColumns), to);
        }
    }

    /// <summary>Affine groups to F32 panels: fma(q, scale, bias).</summary>
    public static void Dequantize(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            var to = (float*)job->Part->Panel(panel);
            int numRows = job->RowsOf(panel);
            if (numRows < PackedWeight.PanelRows) NativeMemory.Clear(to, (nuint)job->Part->PanelBytes);
            for (int r = 0; r < numRows; r++) DequantizeRow(job, ((nint)panel * PackedWeight.PanelRows) + r, to + r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyF32(PackJob* job, int panel, int start, int end, float* to)
    {
        int numRows = job->RowsOf(panel);
        for (int r = 0; r < numRows; r++)
        {
            float* from = (float*)(job->Source + ((((nint)panel * PackedWeight.PanelRows) + r) * job->RowBytes)) + job->StartColumn;
            for (int k = start; k < end; k++) to[(k * PackedWeight.PanelRows) + r] = from[k];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy16(PackJob* job, int panel, int start, int end, ushort* to)
    {
        int numRows = job->RowsOf(panel);
        for (int r = 0; r < numRows; r++)
        {
            ushort* from = (ushort*)(job->Source + ((((nint)panel * PackedWeight.PanelRows) + r) * job->RowBytes)) + job->StartColumn;
            int lane = r < 8 ? 2 * r : (2 * (r - 8)) + 1;
            for (int k = start; k < end; k++) to[(k * PackedWeight.PanelRows) + lane] = from[k];
        }
    }

    private static void DequantizeRow(PackJob* job, nint row, float* to)
    {
        byte* from = job->Source + (row * job->RowBytes);
        int end = job->StartColumn + job->NumColumns;
        for (int group = job->StartColumn / job->GroupSize; group * job->GroupSize < end; group++)
        {
            float scale = job->Scale(row, group), bias = job->Bias(row, group);
            int stop = Math.Min((group + 1) * job->GroupSize, end);
            for (int column = Math.Max(group * job->GroupSize, job->StartColumn); column < stop; column++)
            {
                int q = job->Bits == 8 ? from[column] : (from[column / 2] >> (4 * (column & 1))) & 15;
                to[(nint)(column - job->StartColumn) * PackedWeight.PanelRows] = MathF.FusedMultiplyAdd(q, scale, bias);
            }
        }
    }
}
