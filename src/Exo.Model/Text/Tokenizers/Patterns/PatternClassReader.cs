using System.Globalization;
using System.Text;

namespace Exo.Model.Text.Patterns;

/// <summary>Reads a bracketed class, or one escape, of an Oniguruma pattern into the set of code points that it means.</summary>
internal sealed class PatternClassReader(string pattern, int position)
{
    private const int MaxDepth = 50;

    private int _position = position;
    private int _depth;

    /// <summary>Reads a class from behind its '['; <paramref name="end"/> is the position behind its ']'.</summary>
    public CodePointSet Read(out int end)
    {
        var set = ReadClass();
        end = _position;
        return set;
    }

    /// <summary>Reads the escape that begins here, outside of a class.</summary>
    public CodePointSet ReadEscape(out int end)
    {
        var set = ReadEscaped(out _);
        end = _position;
        return set;
    }

    private PatternException Refuse(string problem) => new(pattern, _position, problem);

    private char Peek() => _position < pattern.Length ? pattern[_position] : throw Refuse("a '[' without its ']'");

    private bool Follows(string text) => string.CompareOrdinal(pattern, _position, text, 0, text.Length) == 0;

    private CodePointSet ReadClass()
    {
        if (++_depth > MaxDepth)
            throw Refuse($"classes nest deeper than {MaxDepth}");
        bool negated = Follows("^");
        if (negated)
            _position++;
        CodePointSet set = CodePointSet.Empty;
        CodePointSet? intersected = null;
        // A ']' that comes first stands for itself.
        for (bool first = true; first || Peek() != ']'; first = false)
        {
            if (Follows("&&"))
            {
                _position += 2;
                intersected = intersected is null ? set : intersected.Intersect(set);
                set = CodePointSet.Empty;
                continue;
            }
            set = set.Union(ReadMember());
        }
        _position++;
        _depth--;
        if (intersected is not null)
            set = intersected.Intersect(set);
        return negated ? set.Complement() : set;
    }

    private CodePointSet ReadMember()
    {
        if (Follows("[:"))
            return ReadPosixClass();
        if (Peek() == '[')
        {
            _position++;
            return ReadClass();
        }
        var first = ReadSingle(out int? low);
        // A '-' before the closing bracket, or behind a whole class, stands for itself.
        if (low is null || !Follows("-") || _position + 1 >= pattern.Length || pattern[_position + 1] is ']' or '[')
            return first;
        _position++;
        ReadSingle(out int? high);
        if (high is null || high < low)
            throw Refuse("a range that ends below its beginning, or in a class");
        return CodePointSet.Range(low.Value, high.Value);
    }

    private CodePointSet ReadSingle(out int? codePoint)
    {
        if (Peek() == '\\')
            return ReadEscaped(out codePoint);
        Rune.DecodeFromUtf16(pattern.AsSpan(_position), out var rune, out int length);
        _position += length;
        codePoint = rune.Value;
        return CodePointSet.Of(rune.Value);
    }

    private CodePointSet ReadPosixClass()
    {
        int end = pattern.IndexOf(":]", _position, StringComparison.Ordinal);
        string name = end < 0 ? "" : pattern[(_position + 2)..end];
        var set = name.TrimStart('^') switch
        {
            "digit" => UnicodeSets.Digit,
            "space" => UnicodeSets.WhiteSpace,
            "punct" => UnicodeSets.Punctuation.Union(UnicodeSets.Property("S")!),
            "word" => UnicodeSets.Word.Value,
            "xdigit" => UnicodeSets.HexDigit,
            "ascii" => CodePointSet.Range(0, 0x7F),
            _ => null,
        } ?? throw Refuse("this bracket class is not supported");
        _position = end + 2;
        return name.StartsWith('^') ? set.Complement() : set;
    }

    /// <param name="codePoint">The one code point that the escape stands for; null for a class such as \s.</param>
    private CodePointSet ReadEscaped(out int? codePoint)
    {
        codePoint = null;
        _position++;
        if (_position >= pattern.Length)
            throw Refuse("a '\\' at the end");
        char kind = pattern[_position++];
        switch (kind)
        {
            case 'd':
                return UnicodeSets.Digit;
            case 'D':
                return UnicodeSets.Digit.Complement();
            case 's':
                return UnicodeSets.WhiteSpace;
            case 'S':
                return UnicodeSets.WhiteSpace.Complement();
            case 'w':
                return UnicodeSets.Word.Value;
            case 'W':
                return UnicodeSets.Word.Value.Complement();
            case 'h':
                return UnicodeSets.HexDigit;
            case 'H':
                return UnicodeSets.HexDigit.Complement();
            case 'p' or 'P':
                return ReadProperty(kind);
        }
        int value = kind switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'v' => '\v',
            'a' => '\a',
            'e' => 0x1B,
            'x' => ReadHex(Follows("{") ? 0 : 2),
            'u' => ReadHex(4),
            _ when char.IsAsciiLetterOrDigit(kind) => throw Refuse($"the escape '\\{kind}' is not supported"),
            _ => ReadPlain(),
        };
        codePoint = value;
        return CodePointSet.Of(value);
    }

    private int ReadPlain()
    {
        _position--;
        Rune.DecodeFromUtf16(pattern.AsSpan(_position), out var rune, out int length);
        _position += length;
        return rune.Value;
    }

    /// <param name="digits">How many digits at most; 0 for as many as stand between braces.</param>
    private int ReadHex(int digits)
    {
        bool braced = digits == 0;
        int start = braced ? _position + 1 : _position;
        int end = start;
        while (end < pattern.Length && (braced || end - start < digits) && char.IsAsciiHexDigit(pattern[end]))
            end++;
        bool whole = braced ? end < pattern.Length && pattern[end] == '}' : end > start;
        if (!whole || !int.TryParse(pattern.AsSpan(start, end - start), NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture, out int value) || value is < 0 or >= CodePointSet.End)
            throw Refuse("expected a code point in hexadecimal digits");
        _position = braced ? end + 1 : end;
        return value;
    }

    private CodePointSet ReadProperty(char kind)
    {
        int end = pattern.IndexOf('}', _position);
        if (!Follows("{") || end < 0)
            throw Refuse("expected a property's name in braces");
        string name = pattern[(_position + 1)..end];
        var set = UnicodeSets.Property(name.TrimStart('^')) ?? throw Refuse($"the property {JsonField.Show(name)} is not supported");
        _position = end + 1;
        return (kind == 'P') != name.StartsWith('^') ? set.Complement() : set;
    }
}
