using Exo.Kernels;
using Exo.Model.Weights;

namespace Exo.Model.Layers;

/// <summary>Attention of one layer, with its part of the cache.</summary>
public abstract class AttentionModule : IDisposable
{
    /// <summary>What this rank caches of a position.</summary>
    public abstract KvLayout KvLayout { get; }

    /// <summary>The layer's pages; made before the first step.</summary>
    public KvCache Cache { get; private set; } = null!;

    /// <summary>x: [tokens, hidden], normalized -> [tokens, hidden], the same on every rank.</summary>
    public abstract Tensor Forward(Step step, Tensor x);

    /// <summary>Makes the cache.</summary>
    public void AllocateCache(ModelContext context, int numPages)
    {
        Cache?.Dispose();
        Cache = context.Device.CreateKvCache(KvLayout, context.Arithmetic.KvType, numPages);
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        Cache?.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>The feed-forward part of one layer.</summary>
public abstract class MlpModule : IDisposable
{
    /// <summary>x: [tokens, hidden], normalized -> [tokens, hidden], the same on every rank.</summary>
    public abstract Tensor Forward(Tensor x);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>
/// The decoder layer of Llama and its kin: x += attention(norm(x)); x += mlp(norm(x)). Architectures differ in the modules they put in.
/// </summary>
public sealed class DecoderLayer(ModelContext context, WeightScope weights, AttentionModule attention, MlpModule mlp) : IDisposable
{
    private readonly RmsNorm _inputNorm = new(context, weights.Vector("input_layernorm.weight", context.Config.HiddenSize));
    private readonly RmsNorm _postAttentionNorm = new(context, weights.Vector("post_attention_layernorm.weight", context.Config.HiddenSize));

    /// <summary>The layer's attention.</summary>
    public AttentionModule Attention { get; } = attention;

    /// <summary>Residual stream in and out: [tokens, hidden], changed in place.</summary>
    public void Forward(Step step, Tensor x)
    {
        context.Device.Add(x, Attention.Forward(step, _inputNorm.Forward(x)));
        context.Device.Add(x, mlp.Forward(_postAttentionNorm.Forward(x)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Attention.Dispose();
        mlp.Dispose();
    }
}
