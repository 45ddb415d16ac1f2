using Exo.Kernels.Numerics;

namespace Exo.Kernels;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    protected override void EmbedCore(Weight table, int firstId, ReadOnlySpan<int> ids, Tensor output, nint present)
    {
        PackedWeight* weight = ((CpuWeight)table).Packed;
        for (int t = 0; t < ids.Length; t++)
        {
            int row = ids[t] - firstId;
            bool isHeld = (uint)row < (uint)weight->NumRows;
            if (!isHeld && present == 0)
                throw new ShapeException($"id {ids[t]} of a table with the ids [{firstId}, {firstId + weight->NumRows})");
            if (present != 0) ((byte*)present)[t] = isHeld ? (byte)1 : (byte)0;
        }
        fixed (int* firstToken = ids)
        {
            var job = new EmbedJob
            {
                Weight = weight,
                FirstId = firstId,
                Ids = firstToken,
                Output = output.Pointer,
                OutputStride = output.RowStride
            };
            Team.Run(ids.Length, &EmbedPiece, &job);
        }
    }

    private static void EmbedPiece(void* argument, int token, int worker)
    {
        var job = (EmbedJob*)argument;
        int row = job->Ids[token] - job->FirstId;
        if ((uint)row >= (uint)job->Weight->NumRows) return;
        PackedPart* part = job->Weight->Parts;
        while (row >= part->FirstRow + part->NumRows) part++;
        row -= part->FirstRow;
        byte* panel = part->Panel(row / PackedWeight.PanelRows);
        float* to = job->Output + ((nint)token * job->OutputStride);
        if (part->IsInteger) EmbedQuants(job->Weight, part, panel, row % PackedWeight.PanelRows, to);
        else EmbedFloats(part->Format, panel, row % PackedWeight.PanelRows, job->Weight->NumColumns, to);
    }

    private static void EmbedFloats(PanelFormat format, byte* panel, int lane, int numColumns, float* to)
    {
        if (format == PanelFormat.F32)
        {
            for (int k = 0; k < numColumns; k++) to[k] = ((float*)panel)[(k * PackedWeight.PanelRows) + lane];
            return;
        }
        int place = lane < 8 ? 2 * lane : (2 * (lane - 8)) + 1;
        for (int k = 0; k < numColumns; k++)
        {
            ushort value = ((ushort*)panel)[(k * PackedWeight.PanelRows) + place];
            to[k] = format == PanelFormat.F16 ? Fp.HalfToSingle(value) : Fp.BFloat16ToSingle(value);
        }
    }

    /// <summary>fma(q', scale, bias').</summary>
    private static void EmbedQuants(PackedWeight* weight, PackedPart* part, byte* panel, int lane, float* to)
    {
        float half = part->Format == PanelFormat.Int8 ? Int8Panel.Half : Int4Panel.Half;
        for (int block = 0; block < weight->Plan.NumBlocks; block++)
        {
            byte* header = panel + part->Blocks[2 * block], quants = panel + part->Blocks[(2 * block) + 1] + (4 * lane);
            float scale = Headers.Load(header, lane, part->ScaleType);
            float bias = part->HasBiases == 0
                ? 0f
                : MathF.FusedMultiplyAdd(half, scale, Headers.Load(header, PackedWeight.PanelRows + lane, part->ScaleType));
            int start = weight->Plan.BlockColumns[block], count = weight->Plan.BlockColumns[block + 1] - start;
            for (int c = 0; c < count; c++)
            {
                int quad = c >> 2, within = c & 3;
                int q = part->Format == PanelFormat.Int8
                    ? (sbyte)quants[(64 * quad) + within]
                    : ((quants[(64 * (quad & 3)) + within] >> (quad < 4 ? 0 : 4)) & 15) - Int4Panel.Half;
                to[start + c] = MathF.FusedMultiplyAdd(q, scale, bias);
            }
        }
    }

    private struct EmbedJob
    {
        public PackedWeight* Weight;
        public int FirstId;
        public int* Ids;
        public float* Output;
        public nint OutputStride;
    }
}
