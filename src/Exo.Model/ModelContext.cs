using Exo.Kernels;
using Exo.Model.Parallel;

namespace Exo.Model;

/// <summary>The choices that decide a model's arithmetic (its arithmetic id, with the device's kind and the weights' format).</summary>
/// <param name="Activations">Int8 rounds activations where weights are quantized; Float32 dequantizes the weights instead.</param>
/// <param name="KvType">What keys and values are rounded to in the cache.</param>
public sealed record Arithmetic(ActivationFormat Activations, DType KvType)
{
    /// <summary>Int8 activations, float16 cache.</summary>
    public static Arithmetic Fast { get; } = new(ActivationFormat.Int8, DType.F16);

    /// <summary>Everything float32 (`--dequantize`): the arithmetic in which reference outputs are compared.</summary>
    public static Arithmetic Exact { get; } = new(ActivationFormat.Float32, DType.F32);
}

/// <summary>What every layer is built from.</summary>
public sealed record ModelContext(Device Device, ModelConfig Config, Shard Shard, Arithmetic Arithmetic);
