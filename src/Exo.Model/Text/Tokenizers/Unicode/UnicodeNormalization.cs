using System.Text;

namespace Exo.Model.Text;

/// <summary>The four normalization forms of Unicode (UAX #15).</summary>
internal enum UnicodeForm { Nfc, Nfd, Nfkc, Nfkd }

/// <summary>
/// Unicode normalization (UAX #15). .NET's own does nothing in invariant globalization mode, and knows other characters
/// than the reference tokenizers do; <see cref="UnicodeData"/> holds the data.
/// </summary>
internal static class UnicodeNormalization
{
    // Hangul syllables are 19 leading x 21 vowel x 28 trailing (none included) consonants in a row (Unicode, chapter 3.12).
    private const int SyllableBase = 0xAC00, LeadingBase = 0x1100, VowelBase = 0x1161, TrailingBase = 0x11A7;
    private const int NumLeading = 19, NumVowels = 21, NumTrailing = 28, NumSyllables = NumLeading * NumVowels * NumTrailing;

    public static string Apply(string text, UnicodeForm form)
    {
        // No character before U+00C0 has a canonical decomposition or combines, none before U+00A0 any other.
        char firstThatMayChange = form is UnicodeForm.Nfc or UnicodeForm.Nfd ? '\u00C0' : '\u00A0';
        if (text.AsSpan().IndexOfAnyInRange(firstThatMayChange, '\uFFFF') < 0)
            return text;
        var data = UnicodeData.Instance;
        var mappings = form is UnicodeForm.Nfc or UnicodeForm.Nfd ? data.Canonical : data.Compatibility;
        var codePoints = new List<int>(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, mappings, codePoints);
        byte[] classes = [.. codePoints.Select(data.ClassOf)];
        Order(codePoints, classes);
        if (form is UnicodeForm.Nfc or UnicodeForm.Nfkc)
            Compose(codePoints, classes, data);
        var output = new StringBuilder(text.Length + 16);
        foreach (int codePoint in codePoints)
            output.Append(new Rune(codePoint).ToString());
        return output.ToString();
    }

    private static void Decompose(int codePoint, Dictionary<int, int[]> mappings, List<int> output)
    {
        int syllable = codePoint - SyllableBase;
        if (syllable is >= 0 and < NumSyllables)
        {
            output.Add(LeadingBase + syllable / (NumVowels * NumTrailing));
            output.Add(VowelBase + syllable / NumTrailing % NumVowels);
            if (syllable % NumTrailing != 0)
                output.Add(TrailingBase + syllable % NumTrailing);
        }
        else if (mappings.TryGetValue(codePoint, out int[]? mapping))
        {
            output.AddRange(mapping);
        }
        else
        {
            output.Add(codePoint);
        }
    }

    /// <summary>Sorts each run of combining marks by class; marks of one class keep their order.</summary>
    private static void Order(List<int> codePoints, byte[] classes)
    {
        for (int start = 0; start < classes.Length;)
        {
            if (classes[start] == 0)
            {
                start++;
                continue;
            }
            int end = start + 1;
            while (end < classes.Length && classes[end] != 0)
                end++;
            long[] keys = new long[end - start];
            for (int i = 0; i < keys.Length; i++)
                keys[i] = (long)classes[start + i] << 32 | (uint)i;
            int[] run = [.. codePoints.Skip(start).Take(keys.Length)];
            Array.Sort(keys, run);
            for (int i = 0; i < keys.Length; i++)
            {
                codePoints[start + i] = run[i];
                classes[start + i] = (byte)(keys[i] >> 32);
            }
            start = end;
        }
    }

    /// <summary>Joins each starter with what follows it, unless a mark of the same or a higher class stands between.</summary>
    private static void Compose(List<int> codePoints, byte[] classes, UnicodeData data)
    {
        int kept = 0, starter = -1, previousClass = 0;
        for (int i = 0; i < classes.Length; i++)
        {
            bool adjacent = starter >= 0 && kept == starter + 1;
            bool blocked = starter < 0 || (!adjacent && previousClass >= classes[i]);
            if (!blocked && TryCompose(codePoints[starter], codePoints[i], data, out int composed))
            {
                codePoints[starter] = composed;
                continue;
            }
            if (classes[i] == 0)
                starter = kept;
            previousClass = classes[i];
            codePoints[kept++] = codePoints[i];
        }
        codePoints.RemoveRange(kept, codePoints.Count - kept);
    }

    private static bool TryCompose(int first, int second, UnicodeData data, out int composed)
    {
        int leading = first - LeadingBase, vowel = second - VowelBase;
        if (leading is >= 0 and < NumLeading && vowel is >= 0 and < NumVowels)
        {
            composed = SyllableBase + (leading * NumVowels + vowel) * NumTrailing;
            return true;
        }
        int syllable = first - SyllableBase, trailing = second - TrailingBase;
        if (syllable is >= 0 and < NumSyllables && syllable % NumTrailing == 0 && trailing is > 0 and < NumTrailing)
        {
            composed = first + trailing;
            return true;
        }
        return data.Compositions.TryGetValue((first, second), out composed);
    }
}
