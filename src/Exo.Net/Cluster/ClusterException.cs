namespace Exo.Net.Cluster;

/// <summary>Something about the cluster that cannot be done, or has ended: what was expected, what came, and which node.</summary>
public class ClusterException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A node ended a plan: it died, went silent, or failed in its part of the work.</summary>
/// <param name="node">The node's name.</param>
/// <param name="what">What was seen of it.</param>
/// <param name="inner">What was thrown, if anything.</param>
public sealed class NodeFailedException(string node, string what, Exception? inner = null) : ClusterException($"node {node}: {what}", inner)
{
    /// <summary>The node's name.</summary>
    public string Node { get; } = node;
}
