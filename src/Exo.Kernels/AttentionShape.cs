namespace Exo.Kernels;

/// <summary>
/// Which query heads a rank computes and which cached KV head each one reads: local query head h is the model's head
/// FirstHead + h and reads the cache's head (FirstHead + h) / GroupSize - FirstKvHead.
/// </summary>
/// <param name="NumHeads">Query heads of this rank.</param>
/// <param name="FirstHead">The model's index of local query head 0.</param>
/// <param name="GroupSize">Query heads that share a KV head.</param>
/// <param name="FirstKvHead">The model's index of the cache's KV head 0.</param>
/// <param name="Scale">Multiplies q·k.</param>
public readonly record struct AttentionShape(int NumHeads, int FirstHead, int GroupSize, int FirstKvHead, float Scale)
{
    /// <summary>The cache's KV head that local query head <paramref name="head"/> reads.</summary>
    public int KvHead(int head) => ((FirstHead + head) / GroupSize) - FirstKvHead;
}

/// <summary>Which two elements of a head form a rotated pair.</summary>
public enum RopePairs
{
    /// <summary>i and i + rotaryDim / 2 (Hugging Face's Llama).</summary>
    Halves,

    /// <summary>2 i and 2 i + 1 (DeepSeek).</summary>
    Interleaved,
}
