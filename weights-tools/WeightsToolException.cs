namespace Exo.WeightsTools;

/// <summary>A request that cannot be carried out; the message is for the person at the terminal.</summary>
public sealed class WeightsToolException(string message) : Exception(message);
