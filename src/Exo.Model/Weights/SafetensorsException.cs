namespace Exo.Model.Weights;

/// <summary>
/// A checkpoint that cannot be read. The message says what was expected, what came, and where: file first, then tensor.
/// </summary>
public sealed class SafetensorsException : IOException
{
    public SafetensorsException(string path, string problem, string? tensorName = null, Exception? cause = null)
        : base(tensorName is null ? $"{path}: {problem}" : $"{path}: {tensorName}: {problem}", cause)
    {
        FilePath = path;
        TensorName = tensorName;
    }

    /// <summary>The file (or folder) that is wrong.</summary>
    public string FilePath { get; }

    /// <summary>The tensor that is wrong, where the trouble is one tensor's.</summary>
    public string? TensorName { get; }
}
