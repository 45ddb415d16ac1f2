using Exo.Model.Weights;

namespace Exo.WeightsTools.Import;

/// <summary>What becomes of a GGUF file's tensors.</summary>
public enum ImportFormat
{
    /// <summary>Blocks become affine groups of 32 where those hold the same values; F32, F16 and BF16 stay as they are.</summary>
    Keep,

    /// <summary>Everything becomes float32, exactly.</summary>
    F32,

    /// <summary>Everything becomes bfloat16, rounded to nearest even.</summary>
    BF16,
}

/// <summary>How to import.</summary>
public sealed record ImportOptions
{
    public ImportFormat Format { get; init; } = ImportFormat.Keep;

    /// <summary>With <see cref="ImportFormat.Keep"/>: the type for blocks that no affine group equals, F32 (exact) or BF16.</summary>
    public SafetensorsDtype Inexact { get; init; } = SafetensorsDtype.F32;

    public long MaxShardBytes { get; init; } = 4_000_000_000;
}
