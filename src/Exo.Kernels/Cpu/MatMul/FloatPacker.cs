using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>Panels of floats.</summary>
internal static unsafe class FloatPacker
{
    /// <summary>F32 to F32 panels.</summary>
    public static void PackF32(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        byte** rows = stackalloc byte*[PackedWeight.PanelRows];
        job->Panels(piece, out int first, out int end);
        int whole = job->NumColumns & ~3;
        for (int panel = first; panel < end; panel++)
        {
            var to = (float*)job->Part->Panel(panel);
            var turn = new RowTransposer(rows, job, panel);
            turn.Lanes((nint)job->StartColumn * sizeof(float), whole, (uint*)to, 0);
            for (nint k = whole; k < job->NumColumns; k++)
                for (int r = 0; r < PackedWeight.PanelRows; r++) to[(k * PackedWeight.PanelRows) + r] = ((float*)turn.Row(r))[job->StartColumn + k];
        }
    }

    /// <summary>F16 or BF16 to panels of the same type, outputs i and i + 8 side by side.</summary>
    public static void Pack16(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        byte** rows = stackalloc byte*[PackedWeight.PanelRows];
        job->Panels(piece, out int first, out int end);
        int whole = job->NumColumns & ~7;
        for (int panel = first; panel < end; panel++)
        {
            var to = (ushort*)job->Part->Panel(panel);
            var turn = new RowTransposer(rows, job, panel);
            turn.Pairs((nint)job->StartColumn * sizeof(ushort), whole, (uint*)to);
            for (nint k = whole; k < job->NumColumns; k++)
                for (int r = 0; r < PackedWeight.PanelRows; r++)
                    to[(k * PackedWeight.PanelRows) + (r < 8 ? 2 * r : (2 * (r - 8)) + 1)] = ((ushort*)turn.Row(r))[job->StartColumn + k];
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

    private static void DequantizeRow(PackJob* job, nint row, float* to)
    {
        byte* from = job->Source + (row * job->RowBytes);
        int end = job->StartColumn + job->NumColumns;
        for (int group = job->StartColumn / job->GroupSize; group * job->GroupSize < end; group++)
        {
            nint index = (row * job->GroupsPerRow) + group;
            float scale = Headers.Load(job->Scales, index, job->ScaleType), bias = Headers.Load(job->Biases, index, job->ScaleType);
            int stop = Math.Min((group + 1) * job->GroupSize, end);
            for (int column = Math.Max(group * job->GroupSize, job->StartColumn); column < stop; column++)
            {
                int q = job->Bits == 8 ? from[column] : (from[column / 2] >> (4 * (column & 1))) & 15;
                to[(nint)(column - job->StartColumn) * PackedWeight.PanelRows] = MathF.FusedMultiplyAdd(q, scale, bias);
            }
        }
    }
}
