namespace Exo.Kernels;

/// <summary>How the numbers of a stored vector or cache are held.</summary>
public enum DType
{
    /// <summary>IEEE binary32, 4 bytes.</summary>
    F32,

    /// <summary>IEEE binary16, 2 bytes.</summary>
    F16,

    /// <summary>The upper half of a binary32, 2 bytes.</summary>
    BF16,
}

/// <summary>How the elements of a weight matrix are held in the checkpoint.</summary>
public enum WeightFormat
{
    /// <summary>Row-major float32.</summary>
    F32,

    /// <summary>Row-major float16.</summary>
    F16,

    /// <summary>Row-major bfloat16.</summary>
    BF16,

    /// <summary>MLX affine groups, 4 bits: element i of a row is nibble i of the row, little-endian; value = q * scale + bias.</summary>
    Affine4,

    /// <summary>MLX affine groups, 8 bits: element i of a row is byte i of the row; value = q * scale + bias.</summary>
    Affine8,
}

/// <summary>What a matmul multiplies its weights by. Part of the arithmetic id: the two give different bits.</summary>
public enum ActivationFormat
{
    /// <summary>Activations stay float32; affine weights are dequantized to float32, exactly, when they are loaded.</summary>
    Float32,

    /// <summary>Activations are rounded to int8 in blocks of 32 where the weight is affine; float weights are not touched by it.</summary>
    Int8,
}

/// <summary>Sizes of stored types.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Bytes(this DType type) => type == DType.F32 ? 4 : 2;

    /// <summary>Bits of one element.</summary>
    public static int Bits(this WeightFormat format) => format switch
    {
        WeightFormat.F32 => 32,
        WeightFormat.F16 or WeightFormat.BF16 => 16,
        WeightFormat.Affine8 => 8,
        WeightFormat.Affine4 => 4,
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    /// <summary>True for the group-quantized formats.</summary>
    public static bool IsAffine(this WeightFormat format) => format is WeightFormat.Affine4 or WeightFormat.Affine8;
}
