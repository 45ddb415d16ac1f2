using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>
/// One tensor of the checkpoint to be: its source rows, and either a float type or an affine format with the type of its scales.
/// </summary>
internal sealed record TensorPlan(
    string Name, long[] Shape, GgufTensor Source, long FirstRow, int RotatedHeadDim, SafetensorsDtype FloatType, AffineFormat? Affine)
{
    public long NumRows => Shape.Length == 1 ? 1 : Shape[0];

    public int Columns => (int)Shape[^1];

    private string Module => Name[..Name.LastIndexOf('.')];

    public string ScalesName => Module + ".scales";

    public string BiasesName => Module + ".biases";

    /// <summary>The tensors that this becomes in the file.</summary>
    public IEnumerable<TensorSpec> Specs()
    {
        if (Affine is not AffineFormat format)
        {
            yield return new TensorSpec(Name, FloatType, Shape);
            yield break;
        }
        long[] groups = [Shape[0], Columns / format.GroupSize];
        yield return new TensorSpec(Name, SafetensorsDtype.U32, [Shape[0], (long)Columns * format.Bits / 32]);
        yield return new TensorSpec(ScalesName, FloatType, groups);
        yield return new TensorSpec(BiasesName, FloatType, groups);
    }

    /// <summary>The source row that is row `row` of this tensor.</summary>
    public long SourceRow(long row) => FirstRow + (RotatedHeadDim == 0 ? row : RotatedRows.ToGguf(row, RotatedHeadDim));
}
