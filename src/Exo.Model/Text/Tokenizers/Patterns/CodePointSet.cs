namespace Exo.Model.Text.Patterns;

/// <summary>
/// A set of Unicode code points as its sorted borders: members are [b0, b1), [b2, b3), ...; a last border without partner
/// reaches to the end of Unicode. Union, intersection and complement are one walk over the borders.
/// </summary>
internal sealed class CodePointSet
{
    /// <summary>One past the last code point.</summary>
    public const int End = 0x110000;

    public static readonly CodePointSet Empty = new([]);
    public static readonly CodePointSet All = new([0]);

    private readonly int[] _borders;

    private CodePointSet(int[] borders) => _borders = borders;

    public ReadOnlySpan<int> Borders => _borders;

    public bool IsEmpty => _borders.Length == 0;

    public static CodePointSet Of(int codePoint) => Range(codePoint, codePoint);

    /// <summary>All code points from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public static CodePointSet Range(int first, int last) => new(last + 1 >= End ? [first] : [first, last + 1]);

    /// <summary>Pairs of first and last code point, ascending and apart.</summary>
    public static CodePointSet OfRanges(ReadOnlySpan<int> firstAndLast)
    {
        var set = Empty;
        for (int i = 0; i < firstAndLast.Length; i += 2)
            set = set.Union(Range(firstAndLast[i], firstAndLast[i + 1]));
        return set;
    }

    /// <summary>Takes borders that are already ascending.</summary>
    public static CodePointSet OfBorders(int[] borders) => new(borders);

    public bool Contains(int codePoint)
    {
        int index = Array.BinarySearch(_borders, codePoint);
        return (index >= 0 ? index + 1 : ~index) % 2 == 1;
    }

    public CodePointSet Complement() =>
        new(_borders.Length > 0 && _borders[0] == 0 ? _borders[1..] : [0, .. _borders]);

    public CodePointSet Union(CodePointSet other) => Merge(other, static (a, b) => a | b);

    public CodePointSet Intersect(CodePointSet other) => Merge(other, static (a, b) => a & b);

    private CodePointSet Merge(CodePointSet other, Func<bool, bool, bool> isMember)
    {
        int[] left = _borders, right = other._borders;
        var merged = new List<int>(left.Length + right.Length);
        int i = 0, j = 0;
        bool inside = false;
        while (i < left.Length || j < right.Length)
        {
            int at = Math.Min(i < left.Length ? left[i] : End, j < right.Length ? right[j] : End);
            if (i < left.Length && left[i] == at)
                i++;
            if (j < right.Length && right[j] == at)
                j++;
            bool member = isMember(i % 2 == 1, j % 2 == 1);
            if (member != inside)
                merged.Add(at);
            inside = member;
        }
        return new([.. merged]);
    }
}
