using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// Panels of quants with headers. Scales and biases keep the type that holds them exactly (16 bits nearly always); biases are left out
/// where every recentred bias fma(2^(bits-1), scale, bias) is zero, so symmetric 4-bit weights cost 4.5 bits each.
/// </summary>
internal static unsafe class AffinePacker
{
    private const int BiasFlag = 1;
    private const int NotF16Flag = 2;
    private const int NotBF16Flag = 4;
    private const int RowsPerPiece = 64;

    /// <summary>Decides on the headers from a parallel pass over scales and biases.</summary>
    public static void ChooseHeaders(ref PackedPart part, WeightSource source, PackJob* job, ThreadTeam team)
    {
        team.Run((source.NumRows + RowsPerPiece - 1) / RowsPerPiece, &ScanHeaders, job);
        part.HasBiases = (job->Flags & BiasFlag) != 0 ? 1 : 0;
        part.ScaleType = source.ScaleType != DType.F32 ? source.ScaleType
            : (job->Flags & NotF16Flag) == 0 ? DType.F16
            : (job->Flags & NotBF16Flag) == 0 ? DType.BF16
            : DType.F32;
    }

    /// <summary>Makes the table of block offsets; returns the bytes of a panel.</summary>
    public static nint LayOutBlocks(ref PackedPart part, WeightSource source, ColumnPlan plan, List<IDisposable> memory)
    {
        var table = new NativeBuffer((nint)plan.NumBlocks * 2 * sizeof(int));
        memory.Add(table);
        part.Blocks = (int*)table.Address;
        int headerBytes = PackedWeight.PanelRows * part.ScaleType.Bytes() * (1 + part.HasBiases);
        int blockBytes = part.Format == PanelFormat.Int8 ? 512 : 256;
        int next = 0, header = 0, lastGroup = -1;
        for (int block = 0; block < plan.NumBlocks; block++)
        {
            int group = (source.StartColumn + plan.BlockColumns[block]) / source.GroupSize;
            if (group != lastGroup)
            {
                header = next;
                next = checked(next + headerBytes);
                lastGroup = group;
            }
            part.Blocks[2 * block] = header;
            part.Blocks[(2 * block) + 1] = next;
            next = checked(next + blockBytes);
        }
        return next;
    }

    /// <summary>Affine8 to panels of signed bytes.</summary>
    public static void PackInt8(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        byte** rows = stackalloc byte*[PackedWeight.PanelRows];
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            PackHeaders(job, panel);
            var turn = new RowTransposer(rows, job, panel);
            for (int block = 0; block < job->Plan.NumBlocks; block++)
            {
                byte* to = job->Part->Panel(panel) + job->Part->Blocks[(2 * block) + 1];
                int start = job->Plan.BlockColumns[block], count = job->Plan.BlockColumns[block + 1] - start;
                if (count == ColumnPlan.BlockSize) turn.Lanes(job->StartColumn + start, ColumnPlan.BlockSize / 4, (uint*)to, 0x80808080);
                else PackShort8(turn, job->StartColumn + start, count, to);
            }
        }
    }

    /// <summary>Affine4 to panels of nibbles.</summary>
    public static void PackInt4(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        byte** rows = stackalloc byte*[PackedWeight.PanelRows];
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            PackHeaders(job, panel);
            var turn = new RowTransposer(rows, job, panel);
            for (int block = 0; block < job->Plan.NumBlocks; block++)
            {
                byte* to = job->Part->Panel(panel) + job->Part->Blocks[(2 * block) + 1];
                int start = job->Plan.BlockColumns[block], count = job->Plan.BlockColumns[block + 1] - start;
                if (count == ColumnPlan.BlockSize) turn.Nibbles((job->StartColumn + start) / 2, (uint*)to);
                else PackShort4(turn, job->StartColumn + start, count, to);
            }
        }
    }

    private static void PackShort8(RowTransposer turn, int column, int count, byte* to)
    {
        NativeMemory.Clear(to, 512);
        for (int r = 0; r < PackedWeight.PanelRows; r++)
            for (int c = 0; c < count; c++) to[((c >> 2) * 64) + (4 * r) + (c & 3)] = (byte)(turn.Row(r)[column + c] ^ 0x80);
    }

    private static void PackShort4(RowTransposer turn, int column, int count, byte* to)
    {
        NativeMemory.Clear(to, 256);
        for (int r = 0; r < PackedWeight.PanelRows; r++)
        {
            for (int c = 0; c < count; c++)
            {
                int q = (turn.Row(r)[(column + c) >> 1] >> (4 * ((column + c) & 1))) & 15, quad = c >> 2;
                to[((quad & 3) * 64) + (4 * r) + (c & 3)] |= (byte)(q << (quad < 4 ? 0 : 4));
            }
        }
    }

    private static void PackHeaders(PackJob* job, int panel)
    {
        int numRows = job->RowsOf(panel), lastHeader = -1;
        for (int block = 0; block < job->Plan.NumBlocks; block++)
        {
            int header = job->Part->Blocks[2 * block];
            if (header == lastHeader) continue;
            lastHeader = header;
            int group = (job->StartColumn + job->Plan.BlockColumns[block]) / job->GroupSize;
            byte* to = job->Part->Panel(panel) + header;
            nint index = ((nint)panel * PackedWeight.PanelRows * job->GroupsPerRow) + group;
            CopyHeader(job, job->Scales, index, numRows, to);
            if (job->Part->HasBiases != 0) CopyHeader(job, job->Biases, index, numRows,
                to + (PackedWeight.PanelRows * job->Part->ScaleType.Bytes()));
        }
    }

    private static void CopyHeader(PackJob* job, byte* from, nint index, int numRows, byte* to)
    {
        bool isCopy = job->Part->ScaleType == job->ScaleType && job->ScaleType != DType.F32;
        for (int r = 0; r < PackedWeight.PanelRows; r++)
        {
            nint i = index + (Math.Min(r, numRows - 1) * (nint)job->GroupsPerRow);
            if (isCopy) ((ushort*)to)[r] = ((ushort*)from)[i];
            else Store(to, r, Headers.Load(from, i, job->ScaleType), job->Part->ScaleType);
        }
    }

    private static void Store(byte* to, int index, float value, DType type)
    {
        if (type == DType.F32) ((float*)to)[index] = value;
        else if (type == DType.F16) ((Half*)to)[index] = (Half)value;
        else ((ushort*)to)[index] = (ushort)(BitConverter.SingleToInt32Bits(value) >> 16);
    }

    private static void ScanHeaders(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        if (job->NumColumns == 0) return;
        int flags = 0, firstGroup = job->StartColumn / job->GroupSize;
        int endGroup = (job->StartColumn + job->NumColumns + job->GroupSize - 1) / job->GroupSize;
        for (nint row = (nint)piece * RowsPerPiece; row < Math.Min((piece + 1) * RowsPerPiece, job->NumRows); row++)
            flags |= ScanRow(job, (row * job->GroupsPerRow) + firstGroup, endGroup - firstGroup);
        Interlocked.Or(ref job->Flags, flags);
    }

    private static int ScanRow(PackJob* job, nint index, nint count)
    {
        int flags = 0;
        float half = 1 << (job->Bits - 1);
        nint i = 0;
        for (; job->ScaleType != DType.F32 && i + 8 <= count; i += 8)
        {
            Vector256<float> scales = Headers.Load256(job->Scales, index + i, job->ScaleType);
            Vector256<float> biases = Headers.Load256(job->Biases, index + i, job->ScaleType);
            if (Vector256.FusedMultiplyAdd(Vector256.Create(half), scales, biases) != Vector256<float>.Zero) flags |= BiasFlag;
        }
        for (; i < count; i++)
        {
            float scale = Headers.Load(job->Scales, index + i, job->ScaleType), bias = Headers.Load(job->Biases, index + i, job->ScaleType);
            if (MathF.FusedMultiplyAdd(half, scale, bias) != 0) flags |= BiasFlag;
            if (!IsF16(scale) || !IsF16(bias)) flags |= NotF16Flag;
            if (!IsBF16(scale) || !IsBF16(bias)) flags |= NotBF16Flag;
        }
        return flags;
    }

    private static bool IsF16(float value) => BitConverter.SingleToInt32Bits((float)(Half)value) == BitConverter.SingleToInt32Bits(value);

    private static bool IsBF16(float value) => (BitConverter.SingleToInt32Bits(value) & 0xFFFF) == 0;
}
