using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>A sequence of a step: <paramref name="History"/> positions are cached, <paramref name="NumRows"/> rows are new.</summary>
public readonly record struct SequenceSpec(int History, int NumRows);

/// <summary>
/// Several sequences: their history is appended in chunks, then a step appends its rows and attends. Pages are shuffled, and every page
/// was used before: what is not written by these sequences is NaN.
/// </summary>
public sealed record AttentionCase(KvLayout Layout, DType Type, AttentionShape Shape, SequenceSpec[] Sequences) : KernelCase
{
    private const int ChunkRows = 257;

    /// <inheritdoc/>
    public override string ToString() => $"attention of {Shape} over {Type} {Layout}, sequences {string.Join(' ', Sequences)}, seed {Seed}";

    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        int[] numPages = [.. Sequences.Select(s => (s.History + s.NumRows + KvLayout.PageSize - 1) / KvLayout.PageSize + random.Next(2))];
        int[] pages = RandomValues.Shuffled(random, numPages.Sum() + 3);
        using KvCache cache = device.CreateKvCache(Layout, Type, pages.Length);
        Poison(device, cache);
        var step = new StepBatch();
        for (int s = 0, first = 0; s < Sequences.Length; first += numPages[s++])
        {
            ReadOnlySpan<int> own = pages.AsSpan(first, numPages[s]);
            for (int position = 0; position < Sequences[s].History; position += ChunkRows)
            {
                var chunk = new StepBatch();
                chunk.AddSequence(position, Math.Min(ChunkRows, Sequences[s].History - position), own);
                Append(device, random, cache, chunk);
            }
            step.AddSequence(Sequences[s].History, Sequences[s].NumRows, own);
        }
        Append(device, random, cache, step);
        Tensor query = WriteStrided(device, random, step.NumRows, Shape.NumHeads * Layout.KeyWidth);
        return Values(device, device.Attention(query, cache, step, Shape));
    }

    private void Append(Device device, Random random, KvCache cache, StepBatch batch)
    {
        Tensor keys = WriteStrided(device, random, batch.NumRows, Layout.NumKvHeads * Layout.KeyWidth);
        Tensor? values = Layout.ValuesInKeys ? null : WriteStrided(device, random, batch.NumRows, Layout.NumKvHeads * Layout.ValueWidth);
        device.AppendKv(cache, batch, keys, values);
    }

    private static void Poison(Device device, KvCache cache)
    {
        int numRows = cache.NumPages * KvLayout.PageSize, keyWidth = cache.Layout.NumKvHeads * cache.Layout.KeyWidth;
        int valueWidth = cache.Layout.NumKvHeads * cache.Layout.ValueWidth;
        var batch = new StepBatch();
        batch.AddSequence(0, numRows, [.. Enumerable.Range(0, cache.NumPages)]);
        float[] nothing = new float[numRows * Math.Max(keyWidth, valueWidth)];
        Array.Fill(nothing, float.NaN);
        device.AppendKv(
            cache, batch, device.Write(nothing.AsSpan(0, numRows * keyWidth), numRows, keyWidth),
            cache.Layout.ValuesInKeys ? null : device.Write(nothing.AsSpan(0, numRows * valueWidth), numRows, valueWidth));
    }
}
