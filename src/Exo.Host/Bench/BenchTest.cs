using System.Globalization;
using System.Text.RegularExpressions;
using Exo.Model;

namespace Exo.Host.Bench;

/// <summary>
/// What a row of the bench measures, written as "pp512" (a prompt of 512 tokens), "tg128" (128 tokens one by one), "tg32@d4096" (the
/// same behind 4,096 positions) or "tg32x8" (eight sequences side by side).
/// </summary>
/// <param name="Kind">Prompt or generation.</param>
/// <param name="NumTokens">Tokens of each sequence.</param>
/// <param name="Depth">Positions before the first.</param>
/// <param name="NumSequences">Sequences in every step.</param>
internal readonly partial record struct BenchTest(BenchKind Kind, int NumTokens, int Depth, int NumSequences)
{
    private const int MaxValue = 1 << 20;

    /// <summary>Positions that a sequence of this test reaches.</summary>
    public int NumPositions => Depth + NumTokens;

    /// <summary>Reads a comma-separated list.</summary>
    /// <exception cref="ModelException">Names what cannot be read.</exception>
    public static IReadOnlyList<BenchTest> ParseList(string text) => [.. text.Split(',', StringSplitOptions.TrimEntries).Select(Parse)];

    /// <summary>The form in which it is read.</summary>
    public override string ToString() =>
        $"{(Kind == BenchKind.Prompt ? "pp" : "tg")}{NumTokens}{(Depth > 0 ? $"@d{Depth}" : "")}{(NumSequences > 1 ? $"x{NumSequences}" : "")}";

    private static BenchTest Parse(string text)
    {
        Match match = Form().Match(text);
        if (!match.Success) throw Refuse(text);
        var test = new BenchTest(
            match.Groups[1].Value == "pp" ? BenchKind.Prompt : BenchKind.Generation, Number(match.Groups[2], 0), Number(match.Groups[3], 0), Number(match.Groups[4], 1));
        if (test.NumTokens == 0 || test.NumSequences == 0 || (long)test.NumPositions * test.NumSequences > MaxValue) throw Refuse(text);
        return test;

        int Number(Group group, int fallback) => !group.Success ? fallback
            : int.TryParse(group.Value, CultureInfo.InvariantCulture, out int value) && value <= MaxValue ? value : throw Refuse(text);
    }

    private static ModelException Refuse(string text) => new(
        $"--tests: expected ppN or tgN, with @dDEPTH and xSEQUENCES where wanted, at most {MaxValue} positions in all; got '{text}'");

    [GeneratedRegex(@"^(pp|tg)(\d+)(?:@d(\d+))?(?:x(\d+))?$")]
    private static partial Regex Form();
}

/// <summary>Which phase a test measures.</summary>
internal enum BenchKind
{
    /// <summary>All tokens of a prompt, in chunks as the engine cuts them.</summary>
    Prompt,

    /// <summary>One token of each sequence a step.</summary>
    Generation,
}
