using System.Globalization;
using System.Numerics;
using System.Text;

namespace Exo.Model.Text.Templates;

internal enum TokenKind
{
    Text,
    PrintStart,
    PrintEnd,
    BlockStart,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>One token. <see cref="Text"/> is a name, an operator or (unescaped) text; <see cref="Value"/> a number.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Value = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public bool IsOperator(string symbol) => Kind == TokenKind.Operator && Text == symbol;

    /// <summary>The token in the words of Jinja2's error messages.</summary>
    public string Describe() => Kind switch
    {
        TokenKind.PrintEnd => "end of print statement",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.PrintStart => "begin of print statement",
        TokenKind.BlockStart => "begin of statement block",
        TokenKind.Text => "template data / text",
        TokenKind.End => "end of template",
        _ => Text,
    };
}

/// <summary>
/// Cuts a template into tokens as Jinja2's lexer does with trim_blocks and lstrip_blocks: the newline after a block or comment is
/// dropped, so is white space between the start of a line and a block or comment; `-` strips more, `+` strips nothing.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] s_operators =
    [
        "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|",
        ",", ";",
    ];

    private readonly string _name;
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly Stack<char> _open = new();
    private int _at;
    private int _line = 1;
    private bool _lineStarts = true;

    private Lexer(string source, string name)
    {
        _name = name;
        _source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (_source.EndsWith('\n')) _source = _source[..^1];
    }

    /// <summary>All tokens of <paramref name="source"/>, an End token last.</summary>
    public static List<Token> Tokenize(string source, string name)
    {
        var lexer = new Lexer(source, name);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        while (_at < _source.Length)
        {
            int start = FindTag(_at);
            if (start < 0)
            {
                Add(TokenKind.Text, _source[_at..]);
                _at = _source.Length;
                break;
            }

            char kind = _source[start + 1];
            char sign = start + 2 < _source.Length && _source[start + 2] is '-' or '+' ? _source[start + 2] : '\0';
            AddTextBefore(start, sign, kind);
            Skip(start - _at + 2 + (sign == '\0' ? 0 : 1));
            if (kind == '#') SkipComment();
            else if (kind == '%' && AtRaw(out int rawStart)) ReadRaw(rawStart);
            else ReadTag(kind);
        }

        Add(TokenKind.End, "");
    }

    /// <summary>Where the next `{{`, `{%` or `{#` stands, or -1.</summary>
    private int FindTag(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
            if (_source[i + 1] is '{' or '%' or '#') return i;
        return -1;
    }

    private void AddTextBefore(int start, char sign, char kind)
    {
        ReadOnlySpan<char> text = _source.AsSpan(_at, start - _at);
        if (sign == '-')
        {
            text = PythonText.TrimEnd(text);
        }
        else if (sign == '\0' && kind != '{')
        {
            int lineStart = text.LastIndexOf('\n') + 1;
            if ((lineStart > 0 || _lineStarts) && PythonText.TrimEnd(text[lineStart..]).IsEmpty) text = text[..lineStart];
        }

        if (!text.IsEmpty) Add(TokenKind.Text, text.ToString());
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0) throw Error("Missing end of comment tag");
        char sign = end > _at && _source[end - 1] is '-' or '+' ? _source[end - 1] : '\0';
        Skip(end - _at);
        EndTag(sign, dropNewline: true);
    }

    /// <summary>Is this tag `{% raw %}`? Then <paramref name="bodyStart"/> is where its text begins.</summary>
    private bool AtRaw(out int bodyStart)
    {
        int i = SkipSpace(_at);
        bodyStart = 0;
        if (string.CompareOrdinal(_source, i, "raw", 0, 3) != 0) return false;
        i = SkipSpace(i + 3);
        bool strip = i < _source.Length && _source[i] == '-';
        if (strip) i++;
        if (string.CompareOrdinal(_source, i, "%}", 0, 2) != 0) return false;
        bodyStart = strip ? SkipSpace(i + 2) : i + 2;
        return true;
    }

    private void ReadRaw(int bodyStart)
    {
        Skip(bodyStart - _at);
        _lineStarts = _source[_at - 1] == '\n';
        for (int tag = _source.IndexOf("{%", _at, StringComparison.Ordinal); tag >= 0;
             tag = _source.IndexOf("{%", tag + 2, StringComparison.Ordinal))
        {
            int i = tag + 2;
            char sign = i < _source.Length && _source[i] is '-' or '+' ? _source[i++] : '\0';
            i = SkipSpace(i);
            if (string.CompareOrdinal(_source, i, "endraw", 0, 6) != 0) continue;
            i = SkipSpace(i + 6);
            char endSign = i < _source.Length && _source[i] is '-' or '+' ? _source[i++] : '\0';
            if (string.CompareOrdinal(_source, i, "%}", 0, 2) != 0) continue;
            AddTextBefore(tag, sign, '%');
            Skip(i - _at);
            EndTag(endSign, dropNewline: true);
            return;
        }

        throw Error("Missing end of raw directive");
    }

    private void ReadTag(char kind)
    {
        Add(kind == '{' ? TokenKind.PrintStart : TokenKind.BlockStart, "");
        _open.Clear();
        while (true)
        {
            Skip(SkipSpace(_at) - _at);
            if (_at >= _source.Length) return;
            if (_open.Count == 0 && AtTagEnd(kind, out char sign))
            {
                Add(kind == '{' ? TokenKind.PrintEnd : TokenKind.BlockEnd, "");
                if (sign != '\0') Skip(1);
                EndTag(sign, dropNewline: kind == '%');
                return;
            }

            ReadToken();
        }
    }

    private bool AtTagEnd(char kind, out char sign)
    {
        string end = kind == '{' ? "}}" : "%}";
        char first = _source[_at];
        sign = first == '-' || (first == '+' && kind == '%') ? first : '\0';
        return string.CompareOrdinal(_source, _at + (sign == '\0' ? 0 : 1), end, 0, 2) == 0;
    }

    /// <summary>Skips the two characters that end a tag, and the white space after it that its sign removes.</summary>
    private void EndTag(char sign, bool dropNewline)
    {
        int end = _at + 2;
        if (sign == '-') end = SkipSpace(end);
        else if (sign == '\0' && dropNewline && end < _source.Length && _source[end] == '\n') end++;
        Skip(end - _at);
        _lineStarts = _source[_at - 1] == '\n';
    }

    private void ReadToken()
    {
        char c = _source[_at];
        if (char.IsAsciiDigit(c)) ReadNumber();
        else if (c == '_' || char.IsLetterOrDigit(c) || char.IsSurrogate(c)) ReadName();
        else if (c is '"' or '\'') ReadString(c);
        else ReadOperator(c);
    }

    private void ReadName()
    {
        int end = _at;
        while (end < _source.Length && (_source[end] == '_' || char.IsLetterOrDigit(_source[end]) || char.IsSurrogate(_source[end]))) end++;
        string name = _source[_at..end];
        foreach (Rune rune in name.EnumerateRunes())
            if (rune.Value != '_' && !Rune.IsLetterOrDigit(rune)) throw Error("Invalid character in identifier");
        Add(TokenKind.Name, name);
        _at = end;
    }

    private void ReadNumber()
    {
        bool afterDot = _at > 0 && _source[_at - 1] == '.';
        int end = Digits(_at);
        if (_source[_at] == '0' && _at + 2 < _source.Length && RadixOf(_source[_at + 1]) is int radix and > 0)
        {
            ReadRadix(radix);
            return;
        }

        int whole = end;
        if (!afterDot && end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1])) end = Digits(end + 1);
        if (!afterDot && end < _source.Length && _source[end] is 'e' or 'E')
        {
            int exponent = end + 1;
            if (exponent < _source.Length && _source[exponent] is '+' or '-') exponent++;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent])) end = Digits(exponent);
        }

        string text = _source[_at..end].Replace("_", "", StringComparison.Ordinal);
        if (end > whole)
            Add(TokenKind.Float, text, double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture));
        else if (text.Length > Number.MaxDigits)
            throw Error($"an integer of more than {Number.MaxDigits} digits");
        else if (text.Length > 1 && text[0] == '0' && text.Trim('0').Length > 0)
            throw Error($"unexpected integer '{text}': leading zeros are not allowed");
        else
            Add(TokenKind.Integer, text, BigInteger.Parse(text, CultureInfo.InvariantCulture));
        _at = end;
    }

    private static int RadixOf(char c) => char.ToLowerInvariant(c) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 };

    private void ReadRadix(int radix)
    {
        int end = _at + 2;
        BigInteger value = 0;
        for (; end < _source.Length; end++)
        {
            char c = _source[end];
            if (c == '_') continue;
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix) break;
            value = value * radix + digit;
            if (end - _at > Number.MaxDigits) throw Error($"an integer of more than {Number.MaxDigits} digits");
        }

        Add(TokenKind.Integer, _source[_at..end], value);
        _at = end;
    }

    private int Digits(int from)
    {
        while (from < _source.Length
            && (char.IsAsciiDigit(_source[from])
                || (_source[from] == '_' && from + 1 < _source.Length && char.IsAsciiDigit(_source[from + 1])))) from++;
        return from;
    }

    private void ReadString(char quote)
    {
        int end = _at + 1;
        while (end < _source.Length && _source[end] != quote) end += _source[end] == '\\' ? 2 : 1;
        if (end >= _source.Length) throw Error($"unexpected char {Repr.Quote(quote.ToString())} at {_at}");
        Add(TokenKind.String, PythonText.Unescape(_source.AsSpan(_at + 1, end - _at - 1)) ?? throw Error("truncated escape in a string"));
        Skip(end + 1 - _at);
    }

    private void ReadOperator(char c)
    {
        foreach (string symbol in s_operators)
        {
            if (string.CompareOrdinal(_source, _at, symbol, 0, symbol.Length) != 0) continue;
            Balance(c);
            Add(TokenKind.Operator, symbol);
            _at += symbol.Length;
            return;
        }

        throw Error($"unexpected char {Repr.Quote(c.ToString())} at {_at}");
    }

    /// <summary>Inside brackets `}}` and `%}` do not end a tag; brackets must match.</summary>
    private void Balance(char c)
    {
        if (c is '(' or '[' or '{')
        {
            _open.Push(c switch { '(' => ')', '[' => ']', _ => '}' });
        }
        else if (c is ')' or ']' or '}')
        {
            if (!_open.TryPop(out char expected)) throw Error($"unexpected '{c}'");
            if (expected != c) throw Error($"unexpected '{c}', expected '{expected}'");
        }
    }

    private int SkipSpace(int from)
    {
        while (from < _source.Length && PythonText.IsSpace(_source[from])) from++;
        return from;
    }

    private void Skip(int count)
    {
        _line += _source.AsSpan(_at, count).Count('\n');
        _at += count;
    }

    private void Add(TokenKind kind, string text, object? value = null) => _tokens.Add(new Token(kind, text, _line, value));

    private ChatTemplateException Error(string reason) => new(ChatTemplateError.Syntax, _name, _line, reason);
}
