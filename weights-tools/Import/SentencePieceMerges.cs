namespace Exo.WeightsTools.Import;

/// <summary>
/// SentencePiece keeps a score for each piece and no list of merges. BPE merges the pair whose result has the best score, so the
/// list is every way to make a piece of two others, best result first (Hugging Face's convert_slow_tokenizer.py, generate_merges).
/// </summary>
internal static class SentencePieceMerges
{
    public static List<(string Left, string Right)> Generate(string[] tokens, float[] scores, Func<int, bool> isNormal)
    {
        var ids = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++) ids.TryAdd(tokens[id], id);
        var merges = new List<(int Left, int Right, int Result)>();
        for (int id = 0; id < tokens.Length; id++)
        {
            if (!isNormal(id)) continue;
            string piece = tokens[id];
            for (int cut = 1; cut < piece.Length; cut++)
            {
                if (char.IsLowSurrogate(piece[cut])) continue;
                if (ids.TryGetValue(piece[..cut], out int left) && ids.TryGetValue(piece[cut..], out int right))
                    merges.Add((left, right, id));
            }
        }
        return
        [
            .. merges
                .OrderByDescending(m => scores[m.Result])
                .ThenByDescending(m => tokens[m.Left].Length)
                .ThenByDescending(m => tokens[m.Right].Length)
                .Select(m => (tokens[m.Left], tokens[m.Right])),
        ];
    }
}
