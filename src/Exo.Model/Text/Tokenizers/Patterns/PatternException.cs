namespace Exo.Model.Text.Patterns;

/// <summary>A pattern that cannot be translated; the message names the position in the pattern.</summary>
internal sealed class PatternException(string pattern, int position, string problem)
    : Exception($"the pattern {JsonField.Show(pattern)} at character {position}: {problem}");
