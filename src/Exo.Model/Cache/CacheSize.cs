using Exo.Kernels;

namespace Exo.Model.Generation;

/// <summary>How large a cache is wanted: a number of sequences of a length each.</summary>
/// <param name="ContextLength">Positions of a sequence, at most; 0 = what the model was trained on, at most 8,192.</param>
/// <param name="NumSequences">Sequences of that length that fit at once.</param>
public sealed record CacheSize(int ContextLength = 0, int NumSequences = 1)
{
    /// <summary>Positions of a sequence of this model, at most.</summary>
    internal int PositionsOf(ModelConfig config) => ContextLength > 0 ? ContextLength : Math.Min(config.MaxPositionEmbeddings, 8192);

    /// <summary>Pages for this rank's layers, checked against the device's free memory.</summary>
    public int NumPages(ModelContext context, CausalModel model)
    {
        int length = PositionsOf(context.Config);
        long perSequence = ((long)length + KvLayout.PageSize - 1) / KvLayout.PageSize;
        long pageBytes = model.KvLayouts.Sum(layout => (long)layout.PageBytes(context.Arithmetic.KvType));
        long free = context.Device.FreeMemoryBytes;
        if (perSequence * pageBytes > free)
            throw new ModelException($"a context of {length} needs {perSequence * pageBytes >> 20} MiB of cache, {free >> 20} MiB are free");
        // Beyond one sequence the cache takes at most half of what is free.
        long affordable = Math.Max(perSequence, free / 2 / Math.Max(1, pageBytes));
        return (int)Math.Min(Math.Min(perSequence * NumSequences, affordable), int.MaxValue);
    }
}
