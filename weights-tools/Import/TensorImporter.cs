using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>Carries one tensor over, a batch of rows at a time.</summary>
internal sealed class TensorImporter(GgufFile file, ShardedSafetensorsWriter writer, Action<long> progress)
{
    private const int BatchBytes = 1 << 20;

    public void Import(TensorPlan plan)
    {
        if (plan.Shape.Length == 1 && plan.RotatedHeadDim > 0)
        {
            ImportRotatedVector(plan);
            return;
        }
        int batch = (int)Math.Clamp(BatchBytes / Math.Max(plan.Source.RowBytes, 1), 1, plan.NumRows);
        byte[] rows = new byte[batch * plan.Source.RowBytes];
        for (long row = 0; row < plan.NumRows; row += batch)
        {
            int count = (int)Math.Min(batch, plan.NumRows - row);
            Span<byte> source = rows.AsSpan(0, count * plan.Source.RowBytes);
            ReadRows(plan, row, source);
            if (plan.Affine is AffineFormat format) AppendAffine(plan, format, source, count);
            else AppendFloats(plan, source, count);
            progress(source.Length);
        }
    }

    private void ReadRows(TensorPlan plan, long row, Span<byte> destination)
    {
        if (plan.RotatedHeadDim == 0)
        {
            file.ReadRows(plan.Source, plan.SourceRow(row), destination);
            return;
        }
        int rowBytes = plan.Source.RowBytes;
        for (int i = 0; i < destination.Length / rowBytes; i++)
            file.ReadRows(plan.Source, plan.SourceRow(row + i), destination.Slice(i * rowBytes, rowBytes));
    }

    private void AppendAffine(TensorPlan plan, AffineFormat format, ReadOnlySpan<byte> rows, int count)
    {
        int numGroups = count * (plan.Columns / format.GroupSize);
        byte[] q = new byte[count * plan.Columns];
        float[] scales = new float[numGroups];
        float[] biases = new float[numGroups];
        GgmlBlocks.Unpack(plan.Source.Type, rows, q, scales, biases); // whole blocks a row, so rows need no border
        byte[] packed = new byte[q.Length / 8 * format.Bits];
        AffineRows.Pack(format.Bits, q, packed);
        writer.Append(plan.Name, packed);
        Append(plan.ScalesName, plan.FloatType, scales);
        Append(plan.BiasesName, plan.FloatType, biases);
    }

    private void AppendFloats(TensorPlan plan, ReadOnlySpan<byte> rows, int count)
    {
        if (plan.Source.Type.ToString() == plan.FloatType.ToString()) // F32, F16 and BF16 are called the same
        {
            writer.Append(plan.Name, rows);
            return;
        }
        float[] values = new float[count * plan.Columns];
        GgmlBlocks.Dequantize(plan.Source.Type, rows, values);
        Append(plan.Name, plan.FloatType, values);
    }

    // A bias of q or k: one row whose elements are the matrix's rows.
    private void ImportRotatedVector(TensorPlan plan)
    {
        byte[] row = new byte[plan.Source.RowBytes];
        file.ReadRows(plan.Source, 0, row);
        float[] source = new float[plan.Columns];
        GgmlBlocks.Dequantize(plan.Source.Type, row, source);
        float[] values = new float[plan.Columns];
        for (int i = 0; i < values.Length; i++) values[i] = source[plan.SourceRow(i)];
        Append(plan.Name, plan.FloatType, values);
        progress(row.Length);
    }

    private void Append(string name, SafetensorsDtype type, float[] values)
    {
        byte[] bytes = new byte[values.Length * type.ByteSize()];
        AffineRows.Encode(type, values, bytes);
        writer.Append(name, bytes);
    }
}
