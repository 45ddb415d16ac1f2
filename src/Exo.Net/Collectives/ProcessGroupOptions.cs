namespace Exo.Net.Collectives;

/// <summary>Limits and switch points of a group; the same on every rank.</summary>
public sealed record ProcessGroupOptions
{
    /// <summary>An operation that takes longer ends the group. It bounds how far ranks may drift apart in their computing.</summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Bytes of one node from which on an all-reduce goes in two phases, where that sends less (bench wire).</summary>
    public long TwoPhaseBytes { get; init; } = 64 * 1024;

    /// <summary>A row-parallel product of at least twice as many rows is cut into pieces of so many, sent while the next is computed.</summary>
    public int PipelineRows { get; init; } = 128;
}
