using System.Globalization;

namespace Exo.WeightsTools;

/// <summary>Numbers as people read them.</summary>
internal static class Sizes
{
    /// <summary>Bytes in decimal units: "98.2 MB".</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        >= 1_000_000_000 => (bytes / 1e9).ToString("0.00", CultureInfo.InvariantCulture) + " GB",
        >= 1_000_000 => (bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture) + " MB",
        >= 1_000 => (bytes / 1e3).ToString("0.0", CultureInfo.InvariantCulture) + " KB",
        _ => bytes.ToString(CultureInfo.InvariantCulture) + " B",
    };

    /// <summary>A count with thousands separated: "134,515,008".</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);
}
