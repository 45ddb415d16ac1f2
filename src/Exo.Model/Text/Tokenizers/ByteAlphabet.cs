using System.Text;

namespace Exo.Model.Text;

/// <summary>
/// GPT-2's alphabet: each byte is written as one printable character, so that a vocabulary of bytes is a vocabulary of text.
/// Printable Latin-1 bytes stand for themselves, the 68 others for U+0100 onwards in their order
/// (openai/gpt-2, encoder.py, bytes_to_unicode).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharacterOfByte = Build();
    private static readonly short[] ByteOfCharacter = Invert();

    /// <summary>The text's UTF-8 bytes, one character each.</summary>
    public static string Write(ReadOnlySpan<char> text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        byte[] bytes = new byte[length];
        Encoding.UTF8.GetBytes(text, bytes);
        return string.Create(length, bytes, static (characters, source) =>
        {
            for (int i = 0; i < characters.Length; i++)
                characters[i] = CharacterOfByte[source[i]];
        });
    }

    /// <summary>
    /// Appends the bytes that a token stands for. A token with any character outside of the alphabet (an added token, say)
    /// is taken as it is, in UTF-8.
    /// </summary>
    public static void Read(ReadOnlySpan<char> token, List<byte> bytes)
    {
        int start = bytes.Count;
        foreach (char character in token)
        {
            if (character >= ByteOfCharacter.Length || ByteOfCharacter[character] < 0)
            {
                bytes.RemoveRange(start, bytes.Count - start);
                byte[] whole = new byte[Encoding.UTF8.GetByteCount(token)];
                Encoding.UTF8.GetBytes(token, whole);
                bytes.AddRange(whole);
                return;
            }
            bytes.Add((byte)ByteOfCharacter[character]);
        }
    }

    private static char[] Build()
    {
        var characters = new char[256];
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
            characters[value] = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? (char)value : next++;
        return characters;
    }

    private static short[] Invert()
    {
        var bytes = new short[CharacterOfByte.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++)
            bytes[CharacterOfByte[value]] = (short)value;
        return bytes;
    }
}
