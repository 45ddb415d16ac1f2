using System.Collections.Frozen;

namespace Exo.WeightsTools.Gguf;

/// <summary>Tensor types of GGUF files that can be imported; the numbers are the format's (ggml.h, enum ggml_type).</summary>
public enum GgmlType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    IQ4_NL = 20,
    IQ4_XS = 23,
    BF16 = 30,
    MXFP4 = 39,
}

/// <summary>Elements and bytes of one block.</summary>
public readonly record struct GgmlBlock(int Elements, int Bytes);

public static class GgmlTypes
{
    private static readonly FrozenDictionary<GgmlType, GgmlBlock> _blocks = new Dictionary<GgmlType, GgmlBlock>
    {
        [GgmlType.F32] = new(1, 4),
        [GgmlType.F16] = new(1, 2),
        [GgmlType.BF16] = new(1, 2),
        [GgmlType.Q4_0] = new(32, 2 + 16),
        [GgmlType.Q4_1] = new(32, 2 + 2 + 16),
        [GgmlType.Q5_0] = new(32, 2 + 4 + 16),
        [GgmlType.Q5_1] = new(32, 2 + 2 + 4 + 16),
        [GgmlType.Q8_0] = new(32, 2 + 32),
        [GgmlType.Q2_K] = new(256, 16 + 64 + 2 + 2),
        [GgmlType.Q3_K] = new(256, 32 + 64 + 12 + 2),
        [GgmlType.Q4_K] = new(256, 2 + 2 + 12 + 128),
        [GgmlType.Q5_K] = new(256, 2 + 2 + 12 + 32 + 128),
        [GgmlType.Q6_K] = new(256, 128 + 64 + 16 + 2),
        [GgmlType.IQ4_NL] = new(32, 2 + 16),
        [GgmlType.IQ4_XS] = new(256, 2 + 2 + 4 + 128),
        [GgmlType.MXFP4] = new(32, 1 + 16),
    }.ToFrozenDictionary();

    /// <summary>True for a type that this reader knows.</summary>
    public static bool IsKnown(this GgmlType type) => _blocks.ContainsKey(type);

    public static GgmlBlock Block(this GgmlType type) => _blocks[type];
}
