using Exo.Kernels;

namespace Exo.Model.Layers;

/// <summary>Root-mean-square normalization with a gain per column.</summary>
public sealed class RmsNorm(ModelContext context, float[] gain)
{
    private readonly Tensor _gain = context.Device.LoadVector(gain);

    /// <summary>x: [tokens, n] -> [tokens, n].</summary>
    public Tensor Forward(Tensor x) => context.Device.RmsNorm(x, _gain, context.Config.RmsNormEps);

    /// <summary>Normalizes each head of a view by itself, in place. x: [tokens, heads * headDim].</summary>
    public void ForwardHeads(Tensor x) => context.Device.RmsNormHeads(x, _gain.NumColumns, _gain, context.Config.RmsNormEps);
}
