namespace Exo.Net.Collectives;

/// <summary>Limits and switch points of a group; the same on every rank.</summary>
public sealed record ProcessGroupOptions
{
    /// <summary>An operation that takes longer ends the group. It bounds how far ranks may drift apart in their computing.</summary>
    public TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// An all-reduce goes in two phases where that saves the group at least so many bytes. Measured (bench wire-switch, TCP on one
    /// machine): three ranks cross over at 128 to 256 KB a vector, four at 64 to 128 KB, two uneven ones at 1 to 2 MB.
    /// </summary>
    public long TwoPhaseSavedBytes { get; init; } = 768 * 1024;

    /// <summary>A row-parallel product of at least twice as many rows is cut into pieces of so many, sent while the next is computed.</summary>
    public int PipelineRows { get; init; } = 128;
}
