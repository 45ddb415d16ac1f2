namespace Exo.WeightsTools.Gguf;

/// <summary>A GGUF file that cannot be read or imported: file, then key or tensor, then what was expected and what came.</summary>
public sealed class GgufException(string path, string problem) : IOException($"{path}: {problem}");
