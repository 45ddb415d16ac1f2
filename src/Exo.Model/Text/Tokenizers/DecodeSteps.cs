using System.Globalization;
using System.Text;
using Exo.Model.Text.Patterns;

namespace Exo.Model.Text;

/// <summary>
/// One step from tokens to text, as a stream: tokens come in parts, each ended by <see cref="EndToken"/>, the whole by
/// <see cref="Finish"/>; what is certain is passed on at once, the rest is held back. Decoding a whole and streaming it run
/// through the same steps, so they agree for any ids.
/// </summary>
internal abstract class DecodeStep(DecodeStep? next)
{
    protected DecodeStep Next => next!;

    public abstract void Write(ReadOnlySpan<char> part);

    public abstract void EndToken();

    public virtual void Finish() => Next.Finish();
}

/// <summary>The end of the chain: collects the text.</summary>
internal sealed class TextSink() : DecodeStep(null)
{
    private readonly StringBuilder _text = new();

    public override void Write(ReadOnlySpan<char> part) => _text.Append(part);

    public override void EndToken()
    {
    }

    public override void Finish()
    {
    }

    /// <summary>What came since the last call.</summary>
    public string Take()
    {
        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}

/// <summary>A step that needs a token as a whole.</summary>
internal abstract class WholeTokenStep(DecodeStep next) : DecodeStep(next)
{
    private readonly StringBuilder _token = new();

    public sealed override void Write(ReadOnlySpan<char> part) => _token.Append(part);

    public sealed override void EndToken()
    {
        string token = _token.ToString();
        _token.Clear();
        Take(token);
    }

    protected abstract void Take(string token);

    protected void Pass(ReadOnlySpan<char> token)
    {
        Next.Write(token);
        Next.EndToken();
    }
}

/// <summary>Puts a space between tokens: what happens where a tokenizer has no decoder.</summary>
internal sealed class JoinBySpaces(DecodeStep next) : DecodeStep(next)
{
    private bool _any, _inside;

    public override void Write(ReadOnlySpan<char> part)
    {
        if (_any && !_inside)
            Next.Write(" ");
        _inside = true;
        Next.Write(part);
    }

    public override void EndToken()
    {
        if (_any && !_inside)
            Next.Write(" ");
        (_any, _inside) = (true, false);
    }
}

/// <summary>
/// Turns characters of <see cref="ByteAlphabet"/> back into bytes and these into text. Bytes that are not UTF-8 become
/// U+FFFD, one for each longest beginning of a character; a character whose bytes are still to come is held back.
/// </summary>
internal sealed class ByteLevelStep(DecodeStep next) : WholeTokenStep(next)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly List<byte> _bytes = [];

    protected override void Take(string token)
    {
        _bytes.Clear();
        ByteAlphabet.Read(token, _bytes);
        Decode(flush: false);
    }

    public override void Finish()
    {
        _bytes.Clear();
        Decode(flush: true);
        Next.EndToken();
        Next.Finish();
    }

    private void Decode(bool flush)
    {
        var bytes = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes);
        char[] characters = new char[_decoder.GetCharCount(bytes, flush)];
        Next.Write(characters.AsSpan(0, _decoder.GetChars(bytes, characters, flush)));
    }
}

/// <summary>
/// Turns runs of byte tokens (&lt;0x00&gt; to &lt;0xFF&gt;) into text. A run that is not UTF-8 as a whole becomes one U+FFFD a byte,
/// so nothing of a run is certain before its end.
/// </summary>
internal sealed class ByteFallbackStep(DecodeStep next) : WholeTokenStep(next)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly List<byte> _run = [];

    protected override void Take(string token)
    {
        if (TryReadByte(token, out byte value))
        {
            _run.Add(value);
            return;
        }
        EndRun();
        Pass(token);
    }

    public override void Finish()
    {
        EndRun();
        Next.Finish();
    }

    private void EndRun()
    {
        if (_run.Count == 0)
            return;
        byte[] bytes = [.. _run];
        _run.Clear();
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            Pass(Strict.GetString(bytes));
            return;
        }
        for (int i = 0; i < bytes.Length; i++)
            Pass("\uFFFD");
    }

    /// <summary>Reads a byte token, such as &lt;0xE4&gt;.</summary>
    internal static bool TryReadByte(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}

/// <summary>Makes one token of all.</summary>
internal sealed class FuseStep(DecodeStep next) : DecodeStep(next)
{
    public override void Write(ReadOnlySpan<char> part) => Next.Write(part);

    public override void EndToken()
    {
    }

    public override void Finish()
    {
        Next.EndToken();
        Next.Finish();
    }
}

/// <summary>Writes <paramref name="content"/> in place of one character.</summary>
internal sealed class ReplaceCharacterStep(DecodeStep next, char replaced, string content) : DecodeStep(next)
{
    public override void Write(ReadOnlySpan<char> part)
    {
        for (int found; (found = part.IndexOf(replaced)) >= 0; part = part[(found + 1)..])
        {
            Next.Write(part[..found]);
            Next.Write(content);
        }
        Next.Write(part);
    }

    public override void EndToken() => Next.EndToken();
}

/// <summary>Writes <paramref name="content"/> in place of every match in a token.</summary>
internal sealed class ReplaceStep(DecodeStep next, TextPattern pattern, string content) : WholeTokenStep(next)
{
    protected override void Take(string token) => Pass(pattern.Replace(token, content, out _));
}

/// <summary>Removes up to a number of one character from each token's beginning and end.</summary>
internal sealed class StripStep : DecodeStep
{
    private readonly char _content;
    private readonly int _start, _stop;
    private int _toStrip;
    private int _held;

    public StripStep(DecodeStep next, char content, int start, int stop)
        : base(next) => (_content, _start, _stop, _toStrip) = (content, start, stop, start);

    public override void Write(ReadOnlySpan<char> part)
    {
        while (_toStrip > 0 && part.Length > 0 && part[0] == _content)
        {
            part = part[1..];
            _toStrip--;
        }
        if (part.Length == 0)
            return;
        _toStrip = 0;
        // Characters at the end may be the ones to strip: the last ones are held back until it is known.
        int kept = part.Length;
        while (kept > 0 && part[kept - 1] == _content)
            kept--;
        if (kept > 0)
            Release(_held);
        Next.Write(part[..kept]);
        _held += part.Length - kept;
        Release(_held - _stop);
    }

    public override void EndToken()
    {
        _held = 0;
        _toStrip = _start;
        Next.EndToken();
    }

    private void Release(int count)
    {
        for (; count > 0; count--, _held--)
            Next.Write([_content]);
    }
}

/// <summary>Turns the visible space back; in the first token it is left out where the pre-tokenizer put one in front.</summary>
internal sealed class MetaspaceStep(DecodeStep next, char replacement, MetaspacePreTokenizer.Prepend prepend) : DecodeStep(next)
{
    private bool _isFirst = true;

    public override void Write(ReadOnlySpan<char> part)
    {
        foreach (char character in part)
        {
            if (character != replacement)
                Next.Write([character]);
            else if (!_isFirst || prepend == MetaspacePreTokenizer.Prepend.Never)
                Next.Write(" ");
        }
    }

    public override void EndToken()
    {
        _isFirst = false;
        Next.EndToken();
    }
}

/// <summary>Turns an end-of-word suffix into a space, and into nothing in the last token.</summary>
internal sealed class BpeSuffixStep(DecodeStep next, string suffix) : WholeTokenStep(next)
{
    private string? _held;

    protected override void Take(string token)
    {
        PassHeld(" ");
        _held = token;
    }

    public override void Finish()
    {
        PassHeld("");
        Next.Finish();
    }

    private void PassHeld(string space)
    {
        if (_held is not null)
            Pass(suffix.Length == 0 ? _held : _held.Replace(suffix, space, StringComparison.Ordinal));
        _held = null;
    }
}
