using Exo.Kernels.Numerics;

namespace Exo.Kernels;

public partial class ReferenceDevice
{
    /// <inheritdoc/>
    protected override void RmsNormCore(Tensor x, Tensor gain, float epsilon, int headDim, Tensor output)
    {
        Span<float> lanes = stackalloc float[16];
        for (int t = 0; t < x.NumRows; t++)
        {
            for (int head = 0; head < x.NumColumns; head += headDim)
            {
                ReadOnlySpan<float> from = Row(x, t).Slice(head, headDim);
                Span<float> to = Row(output, t).Slice(head, headDim);
                lanes.Clear();
                for (int i = 0; i < headDim; i++) lanes[i % 16] = MathF.FusedMultiplyAdd(from[i], from[i], lanes[i % 16]);
                float mean = ReductionTree.AddLanes(lanes) / headDim;
                float inverse = 1f / MathF.Sqrt(mean + epsilon);
                for (int i = 0; i < headDim; i++) to[i] = from[i] * inverse * Row(gain, 0)[i];
            }
        }
    }

    /// <inheritdoc/>
    protected override void RopeTableCore(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output)
    {
        int numPairs = inverseFrequencies.Length;
        for (int t = 0; t < positions.Length; t++)
        {
            for (int i = 0; i < numPairs; i++)
            {
                (double sin, double cos) = Fp.SinCos(positions[t] * inverseFrequencies[i]);
                Row(output, t)[i] = (float)(cos * scale);
                Row(output, t)[numPairs + i] = (float)(sin * scale);
            }
        }
    }

    /// <inheritdoc/>
    protected override void RopeCore(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs)
    {
        int numPairs = table.NumColumns / 2;
        for (int t = 0; t < x.NumRows; t++)
        {
            ReadOnlySpan<float> angles = Row(table, t);
            for (int head = 0; head < x.NumColumns; head += headDim)
            {
                Span<float> rotated = Row(x, t).Slice(head + offset, 2 * numPairs);
                for (int i = 0; i < numPairs; i++)
                {
                    (int first, int second) = pairs == RopePairs.Halves ? (i, i + numPairs) : (2 * i, (2 * i) + 1);
                    float a = rotated[first], b = rotated[second], cos = angles[i], sin = angles[numPairs + i];
                    rotated[first] = MathF.FusedMultiplyAdd(a, cos, -(b * sin));
                    rotated[second] = MathF.FusedMultiplyAdd(b, cos, a * sin);
                }
            }
        }
    }

    /// <inheritdoc/>
    protected override void SiluMulCore(Tensor gateUp, Tensor output)
    {
        for (int t = 0; t < gateUp.NumRows; t++) SiluMul(Row(gateUp, t), Row(output, t));
    }

    /// <inheritdoc/>
    protected override void AddCore(Tensor a, Tensor b)
    {
        for (int t = 0; t < a.NumRows; t++)
            for (int i = 0; i < a.NumColumns; i++) Row(a, t)[i] += Row(b, t)[i];
    }

    /// <inheritdoc/>
    protected override void AddRowCore(Tensor a, Tensor b)
    {
        for (int t = 0; t < a.NumRows; t++)
            for (int i = 0; i < a.NumColumns; i++) Row(a, t)[i] += Row(b, 0)[i];
    }

    /// <inheritdoc/>
    protected override void SelectRowsCore(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        for (int i = 0; i < rows.Length; i++) Row(x, rows[i]).CopyTo(Row(output, i));
    }

    private static void SiluMul(ReadOnlySpan<float> gateUp, Span<float> result)
    {
        for (int i = 0; i < result.Length; i++) result[i] = Fp.Silu(gateUp[i]) * gateUp[result.Length + i];
    }
}
