using Exo.Kernels.Numerics;

namespace Exo.Kernels;

public partial class ReferenceDevice
{
    private const int SegmentSize = 1024;
    private const int NumLanes = 16;

    /// <inheritdoc/>
    protected override void AppendKvCore(KvCache cache, StepBatch batch, Tensor keys, Tensor values)
    {
        KvLayout layout = cache.Layout;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            for (int t = batch.RowStarts[s]; t < batch.RowStarts[s + 1]; t++)
            {
                int position = batch.Positions[t], page = batch.Pages(s)[position / KvLayout.PageSize];
                for (int i = 0; i < keys.NumColumns; i++)
                    Store(cache, page, KeyIndex(layout, i / layout.KeyWidth, position, i % layout.KeyWidth), Row(keys, t)[i]);
                if (layout.ValuesInKeys) continue;
                for (int i = 0; i < values.NumColumns; i++)
                    Store(cache, page, ValueIndex(layout, i / layout.ValueWidth, position, i % layout.ValueWidth), Row(values, t)[i]);
            }
        }
    }

    /// <inheritdoc/>
    protected override void AttentionCore(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape, Tensor output)
    {
        int keyWidth = cache.Layout.KeyWidth, valueWidth = cache.Layout.ValueWidth, window = cache.Layout.Window;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            for (int t = batch.RowStarts[s]; t < batch.RowStarts[s + 1]; t++)
            {
                int position = batch.Positions[t], first = window > 0 ? Math.Max(0, position - window + 1) : 0;
                for (int h = 0; h < shape.NumHeads; h++)
                {
                    float[] q = Row(query, t).Slice(h * keyWidth, keyWidth).ToArray();
                    var row = new AttentionRow(cache, batch.Pages(s).ToArray(), shape.KvHead(h), q, shape.Scale, first, position + 1);
                    Softmax sum = row.TreeOverSegments(0, (position / SegmentSize) + 1)!;
                    for (int d = 0; d < valueWidth; d++) Row(output, t)[(h * valueWidth) + d] = sum.Values[d] / sum.Denominator;
                }
            }
        }
    }

    // [kvHead][KeyWidth][16 positions]
    private static int KeyIndex(KvLayout layout, int kvHead, int position, int d) =>
        (((kvHead * layout.KeyWidth) + d) * KvLayout.PageSize) + (position % KvLayout.PageSize);

    // After the keys: [kvHead][16 positions][ValueWidth]
    private static int ValueIndex(KvLayout layout, int kvHead, int position, int d) => layout.ValuesInKeys
        ? KeyIndex(layout, kvHead, position, d)
        : layout.KeyElements + (((kvHead * KvLayout.PageSize) + (position % KvLayout.PageSize)) * layout.ValueWidth) + d;

    private static unsafe void Store(KvCache cache, int page, int index, float value)
    {
        nint start = cache.Address + (page * cache.PageBytes);
        if (cache.Type == DType.F32) ((float*)start)[index] = value;
        else ((ushort*)start)[index] = Fp.SingleToHalf(value);
    }

    private static unsafe float LoadCell(KvCache cache, int page, int index)
    {
        nint start = cache.Address + (page * cache.PageBytes);
        return cache.Type == DType.F32 ? ((float*)start)[index] : Fp.HalfToSingle(((ushort*)start)[index]);
    }

    // An unfinished softmax: the largest score, the sum of exp(score - largest), and the values weighted with it.
    private sealed record Softmax(float Largest, float Denominator, float[] Values);

    // One query row of one head, which sees the positions [First, End).
    private sealed record AttentionRow(KvCache Cache, int[] Pages, int KvHead, float[] Query, float Scale, int First, int End)
    {
        // Segments [start, end) of 1,024 positions, merged by the growing tree; null where nothing of them is seen.
        public Softmax? TreeOverSegments(int start, int end)
        {
            if (end - start == 1) return Segment(Math.Max(First, start * SegmentSize), Math.Min(End, end * SegmentSize));
            int middle = ReductionTree.SplitGrowing(start, end);
            Softmax? a = TreeOverSegments(start, middle), b = TreeOverSegments(middle, end);
            return a is null ? b : b is null ? a : Merge(a, b);
        }

        private static Softmax Merge(Softmax a, Softmax b)
        {
            float largest = MathF.Max(a.Largest, b.Largest);
            float ra = Fp.Exp(a.Largest - largest), rb = Fp.Exp(b.Largest - largest);
            float[] values = new float[a.Values.Length];
            for (int d = 0; d < values.Length; d++) values[d] = MathF.FusedMultiplyAdd(b.Values[d], rb, a.Values[d] * ra);
            return new Softmax(largest, MathF.FusedMultiplyAdd(b.Denominator, rb, a.Denominator * ra), values);
        }

        // The seen positions [start, end) of one segment, in blocks of 16 absolute positions.
        private Softmax? Segment(int start, int end)
        {
            if (start >= end) return null;
            float largest = float.NegativeInfinity;
            float[] lanes = new float[NumLanes], values = new float[Cache.Layout.ValueWidth];
            for (int blockEnd; start < end; start = blockEnd)
            {
                blockEnd = Math.Min((start | (KvLayout.PageSize - 1)) + 1, end);
                float before = largest;
                for (int j = start; j < blockEnd; j++) largest = MathF.Max(largest, Score(j));
                float rescale = Fp.Exp(before - largest);
                for (int lane = 0; lane < NumLanes; lane++) lanes[lane] *= rescale;
                for (int d = 0; d < values.Length; d++) values[d] *= rescale;
                for (int j = start; j < blockEnd; j++)
                {
                    float p = Fp.Exp(Score(j) - largest);
                    lanes[j % NumLanes] += p;
                    for (int d = 0; d < values.Length; d++) values[d] = MathF.FusedMultiplyAdd(p, Value(j, d), values[d]);
                }
            }
            return new Softmax(largest, ReductionTree.AddLanes(lanes), values);
        }

        private float Score(int position)
        {
            float dot = 0f;
            for (int d = 0; d < Query.Length; d++) dot = MathF.FusedMultiplyAdd(Query[d], Key(position, d), dot);
            return Scale * dot;
        }

        private float Key(int position, int d) =>
            LoadCell(Cache, Pages[position / KvLayout.PageSize], KeyIndex(Cache.Layout, KvHead, position, d));

        private float Value(int position, int d) =>
            LoadCell(Cache, Pages[position / KvLayout.PageSize], ValueIndex(Cache.Layout, KvHead, position, d));
    }
}
