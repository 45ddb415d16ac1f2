using Exo.Model.Weights;
using Exo.Model.Weights.Quantization;
using Exo.WeightsTools.Gguf;
using Exo.WeightsTools.Import;

namespace Exo.WeightsTools.Export;

/// <summary>A tensor of the GGUF file to be: its parts in the checkpoint (one, or a layer's experts) and its type.</summary>
internal sealed class ExportTensor
{
    private readonly List<Part> _parts;
    private readonly int _rotatedHeadDim;
    private readonly float[]? _values;

    private readonly record struct Part(TensorView View, AffineTensor? Affine);

    private ExportTensor(GgufWriter.Entry entry, List<Part> parts, int rotatedHeadDim, string? note)
    {
        Entry = entry;
        _parts = parts;
        _rotatedHeadDim = rotatedHeadDim;
        Note = note;
    }

    /// <summary>A vector that is no tensor of the checkpoint.</summary>
    public ExportTensor(string ggufName, float[] values)
        : this(new GgufWriter.Entry(ggufName, GgmlType.F32, [values.Length]), [], 0, null) => _values = values;

    public GgufWriter.Entry Entry { get; }

    /// <summary>Set where the tensor becomes larger than it was, with the reason.</summary>
    public string? Note { get; }

    /// <summary>Opens the parts, checks their shapes and chooses the type.</summary>
    public static ExportTensor Plan(Checkpoint checkpoint, CheckpointShape shape, string ggufName, IReadOnlyList<(string Name, long[] Shape)> sources)
    {
        var parts = new List<Part>();
        foreach ((string name, long[] expected) in sources)
        {
            AffineTensor? affine = name.EndsWith(".weight", StringComparison.Ordinal) ? checkpoint.OpenAffine(name[..^".weight".Length]) : null;
            TensorView view = checkpoint.Model.Get(name);
            if (affine is null) view.Expect(expected);
            else view.Expect(expected[0], expected[1] * affine.Format.Bits / 32);
            parts.Add(new Part(view, affine));
        }
        GgufName place = GgufNames.Of(sources[0].Name, shape);
        long[] sizes = [.. sources[0].Shape.Reverse()];
        if (place.Expert >= 0) sizes = [.. sizes, sources.Count];
        (GgmlType type, string? note) = TypeFor(parts, sizes.Length, ggufName);
        return new ExportTensor(new GgufWriter.Entry(ggufName, type, sizes), parts, place.RotatedHeads > 0 ? shape.HeadDim : 0, note);
    }

    public void Write(GgufWriter writer, Action<long> progress)
    {
        int columns = (int)Entry.Sizes[0];
        byte[] row = new byte[columns / Entry.Type.Block().Elements * Entry.Type.Block().Bytes];
        float[] values = new float[columns];
        if (_values is not null)
        {
            AffineRows.Encode(SafetensorsDtype.F32, _values, row);
            writer.Append(row);
        }
        foreach (Part part in _parts)
        {
            if (Entry.Sizes.Count == 1)
            {
                WriteVector(part, writer, values, row);
                continue;
            }
            for (long r = 0; r < Entry.Sizes[1]; r++)
            {
                long source = _rotatedHeadDim == 0 ? r : RotatedRows.FromGguf(r, _rotatedHeadDim);
                WriteRow(part, source, values, row);
                writer.Append(row);
                progress(row.Length);
            }
        }
    }

    private void WriteRow(Part part, long row, float[] values, byte[] destination)
    {
        if (part.Affine is AffineTensor affine)
        {
            if (GgmlBlocks.GroupSize(Entry.Type) > 0)
            {
                GgmlRows.Write(Entry.Type, affine, row, destination);
                return;
            }
            affine.DequantizeRow(row, values);
        }
        else
        {
            if (part.View.Dtype.ToString() == Entry.Type.ToString())
            {
                part.View.Bytes(row * destination.Length, destination.Length).CopyTo(destination);
                return;
            }
            HostTensor.ReadFloats(part.View, row * values.Length, values);
        }
        AffineRows.Encode(SafetensorsDtype.F32, values, destination);
    }

    private void WriteVector(Part part, GgufWriter writer, float[] values, byte[] destination)
    {
        HostTensor.ReadFloats(part.View, 0, values);
        float[] ordered = [.. values.Select((v, i) => _rotatedHeadDim == 0 ? v : values[RotatedRows.FromGguf(i, _rotatedHeadDim)])];
        AffineRows.Encode(SafetensorsDtype.F32, ordered, destination);
        writer.Append(destination);
    }

    private static (GgmlType Type, string? Note) TypeFor(List<Part> parts, int numDimensions, string ggufName)
    {
        // llama.cpp takes norms, biases and routers in float32 alone.
        if (numDimensions == 1 || ggufName.Contains("ffn_gate_inp", StringComparison.Ordinal)) return (GgmlType.F32, null);
        List<GgmlType?> types = [.. parts.Select(p => p.Affine is null ? FloatType(p.View) : GgmlRows.TypeFor(p.Affine)).Distinct()];
        if (types is [GgmlType type]) return (type, null);
        string reason = types.Contains(null)
            ? $"{parts.First(p => p.Affine is not null).Affine!.Format}: no block type holds its values"
            : "its parts are of different types";
        return (GgmlType.F32, $"{ggufName} became F32 ({reason})");
    }

    private static GgmlType FloatType(TensorView view) => view.Dtype switch
    {
        SafetensorsDtype.F32 => GgmlType.F32,
        SafetensorsDtype.F16 => GgmlType.F16,
        SafetensorsDtype.BF16 => GgmlType.BF16,
        _ => throw new SafetensorsException(view.FileName, $"expected F32, F16, BF16 or affine groups, got {view.Dtype}", view.Name),
    };
}
