namespace Exo.Model.Text;

/// <summary>The special tokens that a tokenizer puts around a single text (for instance a begin token before it).</summary>
internal sealed record PostProcessor(int[] Before, int[] After)
{
    public static readonly PostProcessor None = new([], []);

    /// <summary>This one, then another around its result.</summary>
    public PostProcessor Then(PostProcessor outer) => new([.. outer.Before, .. Before], [.. After, .. outer.After]);
}
