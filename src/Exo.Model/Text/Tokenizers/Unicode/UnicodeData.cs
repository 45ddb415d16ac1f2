using System.Globalization;

namespace Exo.Model.Text;

/// <summary>The tables of normalization, read once from UnicodeNormalization.txt beside this file.</summary>
internal sealed class UnicodeData
{
    private const string Resource = "Exo.Model.Text.UnicodeNormalization.txt";

    private static readonly Lazy<UnicodeData> Loaded = new(static () => new UnicodeData());

    private readonly Dictionary<int, byte> _classes = [];

    private UnicodeData()
    {
        using var stream = typeof(UnicodeData).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"the resource {Resource} is missing from the assembly");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            string[] fields = line.Split(' ');
            switch (fields[0])
            {
                case "c":
                    for (int codePoint = Hex(fields[1]); codePoint <= Hex(fields[2]); codePoint++)
                        _classes[codePoint] = byte.Parse(fields[3], CultureInfo.InvariantCulture);
                    break;
                case "d" or "x":
                    int[] mapping = [.. fields[2..].Select(Hex)];
                    Canonical[Hex(fields[1])] = mapping;
                    if (fields[0] == "d")
                        Compositions[(mapping[0], mapping[1])] = Hex(fields[1]);
                    break;
                case "k":
                    Compatibility[Hex(fields[1])] = [.. fields[2..].Select(Hex)];
                    break;
                default:
                    break;
            }
        }
        foreach (var (codePoint, mapping) in Canonical)
            Compatibility[codePoint] = mapping;
        Expand(Canonical);
        Expand(Compatibility);
    }

    public static UnicodeData Instance => Loaded.Value;

    /// <summary>Full canonical decompositions, Hangul apart.</summary>
    public Dictionary<int, int[]> Canonical { get; } = [];

    /// <summary>Full compatibility decompositions, the canonical ones included, Hangul apart.</summary>
    public Dictionary<int, int[]> Compatibility { get; } = [];

    /// <summary>The pairs that compose, Hangul apart.</summary>
    public Dictionary<(int First, int Second), int> Compositions { get; } = [];

    /// <summary>Canonical combining class; 0 is a starter.</summary>
    public byte ClassOf(int codePoint) => codePoint < 0x300 ? (byte)0 : _classes.GetValueOrDefault(codePoint);

    private static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    // A mapping may hold characters that decompose further; none does for more than a few steps.
    private static void Expand(Dictionary<int, int[]> mappings)
    {
        foreach (int codePoint in mappings.Keys.ToArray())
            while (mappings[codePoint].Any(mappings.ContainsKey))
                mappings[codePoint] = [.. mappings[codePoint].SelectMany(part => mappings.GetValueOrDefault(part, [part]))];
    }
}
