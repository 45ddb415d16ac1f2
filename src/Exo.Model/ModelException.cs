namespace Exo.Model;

/// <summary>A model folder, configuration or request that cannot be run: says what was expected, what came, and where.</summary>
public sealed class ModelException(string message, Exception? inner = null) : Exception(message, inner);
