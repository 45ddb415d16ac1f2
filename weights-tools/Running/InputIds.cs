using Exo.Model.Weights;

namespace Exo.WeightsTools.Running;

/// <summary>The sequence that a command is given: `input_ids` of a safetensors file.</summary>
public static class InputIds
{
    private const string Name = "input_ids";

    /// <summary>The ids, from [T] or [1, T].</summary>
    /// <exception cref="SafetensorsException">No such tensor, another shape, or a number that is no id.</exception>
    public static int[] Read(string path)
    {
        using var file = SafetensorsFile.Open(path);
        TensorView tensor = file.Get(Name);
        if (tensor.NumElements == 0 || tensor.Shape.SkipLast(1).Any(s => s != 1))
            throw new SafetensorsException(path, $"expected [T] with T > 0, got {tensor.ShapeText}", Name);
        long[] ids = HostTensor.ReadInts(tensor);
        if (ids.FirstOrDefault(id => id is < 0 or > int.MaxValue) is long wrong and not 0)
            throw new SafetensorsException(path, $"expected ids from 0 to {int.MaxValue}, got {wrong}", Name);
        return [.. ids.Select(id => (int)id)];
    }
}
