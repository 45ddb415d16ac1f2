using System.Runtime.InteropServices;

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
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            NativeMemory.Clear(job->Part->Panel(panel), (nuint)job->Part->PanelBytes);
            for (int r = 0; r < job->RowsOf(panel); r++)
            {
                PackHeaders(job, panel, r);
                for (int block = 0; block < job->Plan.NumBlocks; block++) PackBlock8(job, panel, r, block);
            }
        }
    }

    /// <summary>Affine4 to panels of nibbles.</summary>
    public static void PackInt4(void* argument, int piece, int worker)
    {
        var job = (PackJob*)argument;
        job->Panels(piece, out int first, out int end);
        for (int panel = first; panel < end; panel++)
        {
            NativeMemory.Clear(job->Part->Panel(panel), (nuint)job->Part->PanelBytes);
            for (int r = 0; r < job->RowsOf(panel); r++)
            {
                PackHeaders(job, panel, r);
                for (int block = 0; block < job->Plan.NumBlocks; block++) PackBlock4(job, panel, r, block);
            }
        }
    }

    private static void PackBlock8(PackJob* job, int panel, int r, int block)
    {
        byte* from = job->Source + ((((nint)panel * PackedWeight.PanelRows) + r) * job->RowBytes) + job->StartColumn;
        byte* to = job->Part->Panel(panel) + job->Part->Blocks[(2 * block) + 1] + (4 * r);
        int start = job->Plan.BlockColumns[block], count = job->Plan.BlockColumns[block + 1] - start;
        for (int c = 0; c < count; c++) to[((c >> 2) * 64) + (c & 3)] = (byte)(from[start + c] ^ 0x80);
    }

    private static void PackBlock4(PackJob* job, int panel, int r, int block)
    {
        byte* from = job->Source + ((((nint)panel * PackedWeight.PanelRows) + r) * job->RowBytes);
        byte* to = job->Part->Panel(panel) + job->Part->Blocks[(2 * block) + 1] + (4 * r);
        int start = job->Plan.BlockColumns[block], count = job->Plan.BlockColumns[block + 1] - start;
        for (int c = 0; c < count; c++)
        {
            int column = job->StartColumn + start + c;
            int q = (from[column >> 1] >> (4 * (column & 1))) & 15, quad = c >> 2;
            to[((quad & 3) * 64) + (c & 3)] |= (byte)(q << (quad < 4 ? 0 : 4));
        }
    }

    private static void PackHeaders(PackJob* job, int panel, int r)
    {
        nint row = ((nint)panel * PackedWeight.PanelRows) + r;
        int lastHeader = -1;
        for (int block = 0; block < job->Plan.NumBlocks; block++)
        {
            int header = job->Part->Blocks[2 * block];
            if (header == lastHeader) continue;
            lastHeader = header;
            int group = (job->StartColumn + job->Plan.BlockColumns[block]) / job->GroupSize;
            byte* to = job->Part->Panel(panel) + header;
            Store(to, r, job->Scale(row, group), job->Part->ScaleType);
            if (job->Part->HasBiases != 0) Store(to, PackedWeight.PanelRows + r, job->Bias(row, group), job->Part->ScaleType);
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
        float half = 1 << (job->Bits - 1);
        for (nint row = (nint)piece * RowsPerPiece; row < Math.Min((piece + 1) * RowsPerPiece, job->NumRows); row++)
        {
            for (int group = firstGroup; group < endGroup; group++)
            {
                float scale = job->Scale(row, group), bias = job->Bias(row, group);
                bool needsBias = MathF.FusedMultiplyAdd(half, scale, bias) != 0;
                if (needsBias) flags |= BiasFlag;
                if (job->ScaleType != DType.F32) continue;
                if (!IsF16(scale) || !IsF16(bias)) flags |= NotF16Flag;
                if (!IsBF16(scale) || !IsBF16(bias)) flags |= NotBF16Flag;
            }
        }
        Interlocked.Or(ref job->Flags, flags);
    }

    private static bool IsF16(float value) => BitConverter.SingleToInt32Bits((float)(Half)value) == BitConverter.SingleToInt32Bits(value);

    private static bool IsBF16(float value) => (BitConverter.SingleToInt32Bits(value) & 0xFFFF) == 0;
}
