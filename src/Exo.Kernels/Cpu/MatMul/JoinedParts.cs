namespace Exo.Kernels;

/// <summary>
/// Parts that lie side by side and are packed alike become one: q, k and v or gate and up are then one run of panels, cut into pieces and
/// streams as a whole. Small parts by themselves give short streams and few pieces.
/// </summary>
internal static unsafe class JoinedParts
{
    /// <summary>The parts, ascending, those that continue the one before it taken in.</summary>
    public static List<PackedPart> Join(List<PackedPart> parts, int numBlocks)
    {
        var joined = new List<PackedPart>();
        foreach (PackedPart part in parts)
        {
            if (joined.Count == 0 || !Continues(joined[^1], part, numBlocks))
            {
                joined.Add(part);
                continue;
            }
            PackedPart last = joined[^1];
            last.NumRows += part.NumRows;
            last.NumPanels += part.NumPanels;
            joined[^1] = last;
        }
        return joined;
    }

    private static bool Continues(in PackedPart first, in PackedPart next, int numBlocks)
    {
        bool isAlike = first.Format == next.Format && first.ScaleType == next.ScaleType && first.HasBiases == next.HasBiases
            && first.PanelBytes == next.PanelBytes && first.RowBias == null && next.RowBias == null;
        bool isSideBySide = first.NumRows % PackedWeight.PanelRows == 0 && first.Panel(first.NumPanels) == next.Panels;
        if (!isAlike || !isSideBySide || !first.IsInteger) return isAlike && isSideBySide;
        return new ReadOnlySpan<int>(first.Blocks, 2 * numBlocks).SequenceEqual(new ReadOnlySpan<int>(next.Blocks, 2 * numBlocks));
    }
}
