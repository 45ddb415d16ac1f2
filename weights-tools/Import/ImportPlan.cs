using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;

namespace Exo.WeightsTools.Import;

/// <summary>
/// Decides, before anything is written, where every tensor comes from and what it becomes. The file must hold exactly the tensors
/// that its metadata calls for, in their shapes.
/// </summary>
internal sealed class ImportPlan
{
    // Not a weight: the divisors of llama3's RoPE, which config.json states as numbers.
    public const string RopeFactorsName = "rope_freqs.weight";

    private readonly GgufModel _model;
    private readonly ImportOptions _options;
    private readonly Dictionary<string, (AffineFormat? Affine, SafetensorsDtype FloatType)> _forms = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    private ImportPlan(GgufModel model, ImportOptions options)
    {
        _model = model;
        _options = options;
    }

    public List<TensorPlan> Tensors { get; } = [];

    public static ImportPlan Make(GgufModel model, ImportOptions options)
    {
        var plan = new ImportPlan(model, options);
        foreach ((string name, long[] shape) in model.Shape.Tensors()) plan.Tensors.Add(plan.Place(name, shape));
        foreach (GgufTensor tensor in model.File.Tensors)
        {
            if (!plan._used.Contains(tensor.Name) && tensor.Name != RopeFactorsName)
                throw new GgufException(model.File.Path, $"{tensor.Name}: no tensor of a {model.Architecture} model");
        }
        return plan;
    }

    private TensorPlan Place(string name, long[] shape)
    {
        GgufName place = GgufNames.Of(name, _model.Shape);
        if (!_model.File.TryGet(place.Name, out GgufTensor source))
            throw new GgufException(_model.File.Path, $"{place.Name}: expected, but the file does not have it");
        long[] expected = place.Expert < 0 ? shape : [_model.Shape.NumExperts, .. shape];
        if (!source.Shape.AsSpan().SequenceEqual(expected))
        {
            throw new GgufException(
                _model.File.Path, $"{place.Name}: expected [{string.Join(", ", expected)}], got [{string.Join(", ", source.Shape)}]");
        }
        _used.Add(place.Name);
        if (!_forms.TryGetValue(place.Name, out var form)) _forms.Add(place.Name, form = Decide(source));
        long firstRow = place.Expert < 0 ? 0 : place.Expert * shape[0];
        return new TensorPlan(name, shape, source, firstRow, place.RotatedHeads > 0 ? _model.Shape.HeadDim : 0, form.FloatType, form.Affine);
    }

    private (AffineFormat? Affine, SafetensorsDtype FloatType) Decide(GgufTensor source)
    {
        if (_options.Format == ImportFormat.F32) return (null, SafetensorsDtype.F32);
        if (_options.Format == ImportFormat.BF16) return (null, SafetensorsDtype.BF16);
        switch (source.Type)
        {
            case GgmlType.F32: return (null, SafetensorsDtype.F32);
            case GgmlType.F16: return (null, SafetensorsDtype.F16);
            case GgmlType.BF16: return (null, SafetensorsDtype.BF16);
        }
        if (source.Sizes.Count >= 2 && AffineRows.FormatOf(source.Type) is AffineFormat format && ScaleType(source) is SafetensorsDtype type)
            return (format, type);
        return (null, _options.Inexact);
    }

    // The smaller of F16 and F32 that holds every scale and bias exactly; null if one is not finite: then not even F32 would do.
    private SafetensorsDtype? ScaleType(GgufTensor source)
    {
        byte[] row = new byte[source.RowBytes];
        byte[] q = new byte[source.Columns];
        float[] scales = new float[source.Columns / AffineRows.GroupSize];
        float[] biases = new float[source.Columns / AffineRows.GroupSize];
        bool fitHalf = true;
        for (long r = 0; r < source.Rows; r++)
        {
            _model.File.ReadRows(source, r, row);
            GgmlBlocks.Unpack(source.Type, row, q, scales, biases);
            if (!AffineRows.AllFinite(scales) || !AffineRows.AllFinite(biases)) return null;
            fitHalf = fitHalf && AffineRows.FitHalf(scales) && AffineRows.FitHalf(biases);
        }
        return fitHalf ? SafetensorsDtype.F16 : SafetensorsDtype.F32;
    }
}
