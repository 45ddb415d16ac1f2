using System.Globalization;

namespace Exo.Model.Text.Templates;

/// <summary>strftime in the C locale, with glibc's flags - _ 0 ^ #.</summary>
internal static class Strftime
{
    public static string Format(RenderContext context, DateTimeOffset time, string format)
    {
        var result = new PaidText(context.Budget);
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 >= format.Length)
            {
                result.Append(format[i].ToString());
                continue;
            }

            int start = i++;
            char flag = "-_0^#".Contains(format[i]) && i + 1 < format.Length ? format[i++] : '\0';
            result.Append(Directive(time, format[i]) is (string text, char pad) ? Flagged(text, pad, flag) : format[start..(i + 1)]);
        }

        return result.ToString();
    }

    /// <summary>The text of a directive, padded with zeros, spaces or (NUL) nothing; null for an unknown one.</summary>
    private static (string Text, char Pad)? Directive(DateTimeOffset t, char directive)
    {
        string Format(string format) => t.ToString(format, CultureInfo.InvariantCulture);
        (string, char) Padded(long number, int width, char pad = '0') => (number.ToString(CultureInfo.InvariantCulture).PadLeft(width, pad), pad);
        int hour12 = (t.Hour + 11) % 12 + 1, monday = ((int)t.DayOfWeek + 6) % 7;
        return directive switch
        {
            'a' => (Format("ddd"), '\0'),
            'A' => (Format("dddd"), '\0'),
            'b' or 'h' => (Format("MMM"), '\0'),
            'B' => (Format("MMMM"), '\0'),
            'c' => (Format("ddd MMM ") + t.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + Format(" HH':'mm':'ss yyyy"), '\0'),
            'C' => Padded(t.Year / 100, 2),
            'd' => Padded(t.Day, 2),
            'D' or 'x' => (Format("MM'/'dd'/'yy"), '\0'),
            'e' => Padded(t.Day, 2, ' '),
            'f' => Padded(t.Ticks % TimeSpan.TicksPerSecond / 10, 6),
            'F' => (Format("yyyy'-'MM'-'dd"), '\0'),
            'g' => Padded(ISOWeek.GetYear(t.DateTime) % 100, 2),
            'G' => Padded(ISOWeek.GetYear(t.DateTime), 1),
            'H' => Padded(t.Hour, 2),
            'I' => Padded(hour12, 2),
            'j' => Padded(t.DayOfYear, 3),
            'k' => Padded(t.Hour, 2, ' '),
            'l' => Padded(hour12, 2, ' '),
            'm' => Padded(t.Month, 2),
            'M' => Padded(t.Minute, 2),
            'n' => ("\n", '\0'),
            'p' => (t.Hour < 12 ? "AM" : "PM", '\0'),
            'P' => (t.Hour < 12 ? "am" : "pm", '\0'),
            'r' => (Format("hh':'mm':'ss ") + (t.Hour < 12 ? "AM" : "PM"), '\0'),
            'R' => (Format("HH':'mm"), '\0'),
            's' => Padded(t.ToUnixTimeSeconds(), 1),
            'S' => Padded(t.Second, 2),
            't' => ("\t", '\0'),
            'T' or 'X' => (Format("HH':'mm':'ss"), '\0'),
            'u' => Padded(monday + 1, 1),
            'U' => Padded((t.DayOfYear + 6 - (int)t.DayOfWeek) / 7, 2),
            'V' => Padded(ISOWeek.GetWeekOfYear(t.DateTime), 2),
            'w' => Padded((int)t.DayOfWeek, 1),
            'W' => Padded((t.DayOfYear + 6 - monday) / 7, 2),
            'y' => Padded(t.Year % 100, 2),
            'Y' => Padded(t.Year, 1),
            'z' or 'Z' => ("", '\0'), // Python's datetime.now() has no zone
            '%' => ("%", '\0'),
            _ => null,
        };
    }

    private static string Flagged(string text, char pad, char flag)
    {
        if (flag is '^' or '#') return text.ToUpperInvariant();
        if (flag == '\0' || pad == '\0') return text;
        string bare = text.TrimStart(pad);
        if (bare.Length == 0) bare = "0";
        return flag == '-' ? bare : bare.PadLeft(text.Length, flag == '_' ? ' ' : '0');
    }
}
