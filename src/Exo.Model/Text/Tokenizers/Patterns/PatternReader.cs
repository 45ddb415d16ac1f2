using System.Buffers;
using System.Globalization;
using System.Text;

namespace Exo.Model.Text.Patterns;

/// <summary>
/// Reads a pattern in Oniguruma's syntax (that of Hugging Face's tokenizers) into pieces of .NET syntax in which every
/// literal and every class is still a set of code points. <see cref="CodePointRegex"/> then writes these sets in its own alphabet.
/// Captures become plain groups; what has no equal (back references, conditionals, absent operators) is refused.
/// Source: Oniguruma's doc/RE.
/// </summary>
internal sealed class PatternReader
{
    private const int MaxPatternLength = 1 << 16;
    private const int MaxDepth = 100;
    private const int MaxRepeat = 100_000;

    private static readonly CodePointSet NewLine = CodePointSet.Of('\n');

    private readonly string _pattern;
    private readonly List<Part> _parts = [];
    private int _position;
    private int _depth;

    private PatternReader(string pattern) => _pattern = pattern;

    /// <summary>Either a set of code points, one of which is to be matched, or text in .NET's syntax.</summary>
    internal readonly record struct Part(CodePointSet? Set, string Syntax);

    private bool AtEnd => _position >= _pattern.Length;

    public static List<Part> Read(string pattern)
    {
        var reader = new PatternReader(pattern);
        if (pattern.Length > MaxPatternLength)
            throw reader.Refuse($"expected at most {MaxPatternLength} characters, got {pattern.Length}");
        reader.ReadAlternatives(CaseRule.Exact);
        return reader.AtEnd ? reader._parts : throw reader.Refuse("a ')' without its '('");
    }

    private enum CaseRule { Exact, Ignore }

    private PatternException Refuse(string problem) => new(_pattern, _position, problem);

    private void ReadAlternatives(CaseRule rule)
    {
        if (++_depth > MaxDepth)
            throw Refuse($"groups nest deeper than {MaxDepth}");
        while (!AtEnd && _pattern[_position] != ')')
        {
            if (TryTake('|'))
            {
                Add("|");
                continue;
            }
            int start = _parts.Count;
            // An option such as (?i) holds to the end of the group that it stands in.
            if (TryReadInlineOption(ref rule))
                continue;
            if (ReadAtom(rule))
                ReadQuantifiers(start);
        }
        _depth--;
    }

    /// <summary>Reads a literal, class, group or anchor; false for an anchor, which takes no quantifier.</summary>
    private bool ReadAtom(CaseRule rule)
    {
        switch (_pattern[_position])
        {
            case '(':
                ReadGroup(rule);
                return true;
            case '[':
                _position++;
                Add(Cased(new PatternClassReader(_pattern, _position).Read(out _position), rule));
                return true;
            case '.':
                _position++;
                Add(NewLine.Complement());
                return true;
            case '^':
                _position++;
                AddLook("(?<!", NewLine.Complement());
                return false;
            case '$':
                _position++;
                AddLook("(?!", NewLine.Complement());
                return false;
            case '*' or '+' or '?':
                throw Refuse("a quantifier without anything to repeat");
            case '\\':
                return ReadEscape(rule);
            default:
                Add(Cased(CodePointSet.Of(TakeCodePoint()), rule));
                return true;
        }
    }

    private bool ReadEscape(CaseRule rule)
    {
        if (_position + 1 >= _pattern.Length)
            throw Refuse("a '\\' at the end");
        switch (_pattern[_position + 1])
        {
            case 'A':
                AddLook("(?<!", CodePointSet.All);
                break;
            case 'z':
                AddLook("(?!", CodePointSet.All);
                break;
            case 'b':
                AddBorder(behindWord: "(?!", behindOther: "(?=");
                break;
            case 'B':
                AddBorder(behindWord: "(?=", behindOther: "(?!");
                break;
            default:
                Add(Cased(new PatternClassReader(_pattern, _position).ReadEscape(out _position), rule));
                return true;
        }
        _position += 2;
        return false;
    }

    // \b stands where exactly one side is a word character, (?:(?<=w)(?!w)|(?<!w)(?=w)), and \B where both or none is.
    private void AddBorder(string behindWord, string behindOther)
    {
        Add("(?:");
        AddLook("(?<=", UnicodeSets.Word.Value);
        AddLook(behindWord, UnicodeSets.Word.Value);
        Add("|");
        AddLook("(?<!", UnicodeSets.Word.Value);
        AddLook(behindOther, UnicodeSets.Word.Value);
        Add(")");
    }

    private bool TryReadInlineOption(ref CaseRule rule)
    {
        foreach (var (text, meaning) in new[] { ("(?i)", CaseRule.Ignore), ("(?-i)", CaseRule.Exact) })
        {
            if (string.CompareOrdinal(_pattern, _position, text, 0, text.Length) != 0)
                continue;
            _position += text.Length;
            rule = meaning;
            return true;
        }
        return false;
    }

    private void ReadGroup(CaseRule rule)
    {
        (string opening, string syntax, CaseRule inner) = Groups.FirstOrDefault(
            group => string.CompareOrdinal(_pattern, _position, group.Opening, 0, group.Opening.Length) == 0,
            (Opening: "(", Syntax: "(?:", Rule: rule));
        if (opening is "(" && _position + 1 < _pattern.Length && _pattern[_position + 1] == '?')
            opening = TakeGroupName();
        if (opening is not ("(?i:" or "(?-i:"))
            inner = rule;
        _position += opening.Length;
        Add(syntax);
        ReadAlternatives(inner);
        if (!TryTake(')'))
            throw Refuse("a '(' without its ')'");
        Add(")");
    }

    private static readonly (string Opening, string Syntax, CaseRule Rule)[] Groups =
    [
        ("(?:", "(?:", default), ("(?=", "(?=", default), ("(?!", "(?!", default), ("(?<=", "(?<=", default),
        ("(?<!", "(?<!", default), ("(?>", "(?>", default), ("(?i:", "(?:", CaseRule.Ignore), ("(?-i:", "(?:", CaseRule.Exact),
    ];

    private string TakeGroupName()
    {
        int end = _pattern.IndexOf('>', _position);
        bool named = string.CompareOrdinal(_pattern, _position, "(?<", 0, 3) == 0 && end > 0
            && _pattern.AsSpan(_position + 3, end - _position - 3).IndexOfAnyExcept(NameCharacters) < 0;
        return named ? _pattern[_position..(end + 1)] : throw Refuse("this kind of group is not supported");
    }

    private static readonly SearchValues<char> NameCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    private void ReadQuantifiers(int start)
    {
        while (!AtEnd)
        {
            string quantifier;
            if (_pattern[_position] is '*' or '+' or '?')
                quantifier = _pattern[_position++].ToString();
            else if (!TryReadInterval(out quantifier))
                return;
            // x*+ gives nothing back; in Oniguruma only after *, + and ?, not after an interval.
            bool possessive = quantifier.Length == 1 && TryTake('+');
            bool lazy = !possessive && TryTake('?');
            _parts.Insert(start, new(null, possessive ? "(?>(?:" : "(?:"));
            Add(")" + quantifier + (lazy ? "?" : "") + (possessive ? ")" : ""));
        }
    }

    private bool TryReadInterval(out string quantifier)
    {
        quantifier = "";
        if (_pattern[_position] != '{')
            return false;
        int end = _pattern.IndexOf('}', _position);
        var parts = end < 0 ? [] : _pattern[(_position + 1)..end].Split(',');
        // Like Oniguruma, a brace that does not begin an interval is a plain character.
        if (parts.Length is not (1 or 2) || parts.All(part => part.Length == 0) || !parts.All(IsCount))
            return false;
        if (parts.Any(part => part.Length > 0 && int.Parse(part, CultureInfo.InvariantCulture) > MaxRepeat))
            throw Refuse($"a repetition above {MaxRepeat}");
        if (parts.Length == 2 && parts.All(part => part.Length > 0) && int.Parse(parts[0]) > int.Parse(parts[1]))
            throw Refuse($"an interval that runs backwards: {{{parts[0]},{parts[1]}}}");
        _position = end + 1;
        quantifier = parts.Length == 1 ? $"{{{parts[0]}}}" : $"{{{(parts[0].Length == 0 ? "0" : parts[0])},{parts[1]}}}";
        return true;

        static bool IsCount(string part) => part.Length <= 6 && part.All(char.IsAsciiDigit);
    }

    private int TakeCodePoint()
    {
        Rune.DecodeFromUtf16(_pattern.AsSpan(_position), out var rune, out int length);
        _position += length;
        return rune.Value;
    }

    private bool TryTake(char expected)
    {
        if (AtEnd || _pattern[_position] != expected)
            return false;
        _position++;
        return true;
    }

    private static CodePointSet Cased(CodePointSet set, CaseRule rule) =>
        rule == CaseRule.Ignore ? UnicodeSets.IgnoreCase(set) : set;

    private void AddLook(string opening, CodePointSet set)
    {
        Add(opening);
        Add(set);
        Add(")");
    }

    private void Add(string syntax) => _parts.Add(new(null, syntax));

    private void Add(CodePointSet set) => _parts.Add(new(set, ""));
}
