using Exo.Kernels;

namespace Exo.Model.Weights;

/// <summary>
/// The tensors of a checkpoint under a prefix, as weights: names stand in the code as they stand in the file ("self_attn.q_proj").
/// Every shape is checked against what the layer expects; an error names tensor, file, expected and found shape.
/// </summary>
public sealed class WeightScope
{
    private readonly SafetensorsModel _model;
    private readonly QuantizationConfig? _quantization;
    private readonly string _prefix;

    /// <summary>All tensors of a checkpoint.</summary>
    public WeightScope(SafetensorsModel model, QuantizationConfig? quantization, string prefix = "")
    {
        _model = model;
        _quantization = quantization;
        _prefix = prefix;
    }

    /// <summary>The tensors whose names begin with "prefix.name.".</summary>
    public WeightScope Scope(string name) => new(_model, _quantization, _prefix + name + ".");

    /// <summary>True where the tensor is there.</summary>
    public bool Has(string name) => _model.TryGet(_prefix + name, out _);

    /// <summary>A matrix "name.weight" [rows, columns], with "name.scales" and "name.biases" where it is quantized. No bias.</summary>
    public WeightSource Matrix(string name, int numRows, int numColumns) => Read(name, [numRows, numColumns], numRows, numColumns);

    /// <summary>A matrix with its bias "name.bias" [rows], where there is one.</summary>
    public WeightSource MatrixWithBias(string name, int numRows, int numColumns)
    {
        WeightSource source = Matrix(name, numRows, numColumns);
        return Has(name + ".bias") ? source with { RowBias = Vector(name + ".bias", numRows) } : source;
    }

    /// <summary>Matrices stacked in one tensor "name.weight" [count, rows, columns] (MLX's switch_mlp): rows of one follow the other's.</summary>
    public WeightSource Stacked(string name, int count, int numRows, int numColumns) =>
        Read(name, [count, numRows, numColumns], checked(count * numRows), numColumns);

    /// <summary>A float vector [n], exactly as float32.</summary>
    public float[] Vector(string name, int length)
    {
        TensorView tensor = _model.Get(_prefix + name);
        RequireShape(tensor, [length]);
        return HostTensor.ReadFloats(tensor);
    }

    private WeightSource Read(string name, int[] shape, int numRows, int numColumns)
    {
        TensorView weight = _model.Get(_prefix + name + ".weight");
        if (weight.Dtype == SafetensorsDtype.U32) return ReadAffine(name, weight, shape, numRows, numColumns);
        RequireShape(weight, shape);
        WeightFormat format = weight.Dtype switch
        {
            SafetensorsDtype.F32 => WeightFormat.F32,
            SafetensorsDtype.F16 => WeightFormat.F16,
            SafetensorsDtype.BF16 => WeightFormat.BF16,
            _ => throw new ModelException($"{weight.Name}: expected F32, F16, BF16 or MLX affine groups (U32), got {weight.Dtype} in {weight.FileName}"),
        };
        return new WeightSource
        {
            Format = format,
            Address = weight.Address,
            Memory = SourceMemory.MappedFile,
            NumRows = numRows,
            RowLength = numColumns,
            EndColumn = numColumns,
        };
    }

    private WeightSource ReadAffine(string name, TensorView weight, int[] shape, int numRows, int numColumns)
    {
        string module = _prefix + name;
        if (_quantization?.Of(module) is not { } settings)
            throw new ModelException($"{weight.Name}: packed U32 weights, but config.json gives {module} no quantization ({weight.FileName})");
        (int bits, int groupSize) = settings;
        if (bits is not (4 or 8) || groupSize is not (32 or 64 or 128))
            throw new ModelException($"{module}: expected 4 or 8 bits in groups of 32, 64 or 128, got {bits} bits in groups of {groupSize}");
        if (numColumns % groupSize != 0)
            throw new ModelException($"{module}: {numColumns} columns are no multiple of the group size {groupSize}");
        RequireShape(weight, [.. shape[..^1], numColumns * bits / 32]);
        TensorView scales = _model.Get(module + ".scales"), biases = _model.Get(module + ".biases");
        RequireShape(scales, [.. shape[..^1], numColumns / groupSize]);
        RequireShape(biases, [.. shape[..^1], numColumns / groupSize]);
        if (scales.Dtype != biases.Dtype)
            throw new ModelException($"{module}: scales are {scales.Dtype} and biases {biases.Dtype} in {scales.FileName}");
        return new WeightSource
        {
            Format = bits == 4 ? WeightFormat.Affine4 : WeightFormat.Affine8,
            Address = weight.Address,
            Memory = SourceMemory.MappedFile,
            NumRows = numRows,
            RowLength = numColumns,
            EndColumn = numColumns,
            Scales = scales.Address,
            Biases = biases.Address,
            ScaleType = scales.Dtype switch
            {
                SafetensorsDtype.F32 => DType.F32,
                SafetensorsDtype.F16 => DType.F16,
                SafetensorsDtype.BF16 => DType.BF16,
                _ => throw new ModelException($"{scales.Name}: expected F32, F16 or BF16, got {scales.Dtype} in {scales.FileName}"),
            },
            GroupSize = groupSize,
        };
    }

    private static void RequireShape(TensorView tensor, int[] shape)
    {
        if (tensor.Shape.Count == shape.Length && tensor.Shape.Zip(shape).All(pair => pair.First == pair.Second)) return;
        throw new ModelException(
            $"{tensor.Name}: expected [{string.Join(", ", shape)}], got [{string.Join(", ", tensor.Shape)}] in {tensor.FileName}");
    }
}
