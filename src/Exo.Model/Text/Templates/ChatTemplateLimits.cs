namespace Exo.Model.Text;

/// <summary>
/// How much one rendering may cost. Templates come from strangers' model folders: one that loops, nests or prints without end must
/// end with an error, soon. The defaults are some hundred times what the published templates need for a long conversation.
/// </summary>
public sealed record ChatTemplateLimits
{
    /// <summary>The limits that apply unless others are asked for.</summary>
    public static ChatTemplateLimits Default { get; } = new();

    /// <summary>Longest source, in characters.</summary>
    public int MaxSource { get; init; } = 1 << 20;

    /// <summary>Deepest nesting: of the source's expressions and blocks, of macro calls, and of the values that are printed.</summary>
    public int MaxDepth { get; init; } = 200;

    /// <summary>Steps of one rendering. A node visited is one step, and so are one element or 64 characters that are handled.</summary>
    public long MaxSteps { get; init; } = 2_000_000;

    /// <summary>Longest text, printed or kept in a variable, in characters.</summary>
    public int MaxText { get; init; } = 4 << 20;

    /// <summary>Longest time of one rendering, by the wall clock.</summary>
    public TimeSpan MaxTime { get; init; } = TimeSpan.FromMilliseconds(700);
}
