using System.Text;
using System.Text.RegularExpressions;

namespace Exo.Model.Text;

/// <summary>Whether decoding writes special tokens out.</summary>
public enum SpecialTokens
{
    /// <summary>They appear in the text.</summary>
    Keep,

    /// <summary>They are left out.</summary>
    Skip,
}

/// <summary>Whether encoding puts the model's special tokens around the text.</summary>
public enum AddSpecialTokens
{
    /// <summary>The text's own tokens alone.</summary>
    None,

    /// <summary>As the tokenizer's post-processor says, for a single text.</summary>
    ByPostProcessor,
}

/// <summary>
/// A tokenizer as Hugging Face's tokenizer.json describes it (BPE models): text to ids and back, equal id for id to their
/// implementation. Truncation and padding that the file may ask for are left to the caller. Immutable, for any number of threads.
/// </summary>
public sealed class Tokenizer
{
    private const string FileName = "tokenizer.json";

    // Larger than any file published, small enough for one array.
    private const long MaxFileBytes = 512L << 20;

    private readonly TokenizerParts _parts;

    private readonly bool _readsByteAlphabet, _readsByteTokens;

    internal Tokenizer(TokenizerParts parts)
    {
        _parts = parts;
        _readsByteAlphabet = DecodeToken("\u0120") == " ";
        _readsByteTokens = DecodeToken("<0x41>") == "A";
    }

    /// <summary>One more than the highest id, added tokens included.</summary>
    public int VocabSize => _parts.TokenOfId.Length;

    /// <param name="path">A folder that holds a tokenizer.json, or the file itself.</param>
    /// <exception cref="TokenizerException">The file is missing, damaged, or asks for what is not supported.</exception>
    public static Tokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        try
        {
            long length = new FileInfo(file).Length;
            if (length > MaxFileBytes)
                throw new TokenizerException(file, "", $"expected at most {MaxFileBytes} bytes, got {length}");
            return Parse(File.ReadAllBytes(file), file);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException(file, "", $"expected a readable tokenizer file ({cause.Message})", cause);
        }
    }

    /// <param name="utf8Json">The content of a tokenizer.json.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="TokenizerException">The content is damaged, or asks for what is not supported.</exception>
    public static Tokenizer Parse(ReadOnlySpan<byte> utf8Json, string name) => new(TokenizerReader.Read(utf8Json, name));

    /// <summary>
    /// The text's ids. Added tokens in the text are always recognized, special ones too: text that must not be able to speak
    /// with a special token's voice has to be cleaned before. Half surrogate pairs count as U+FFFD.
    /// </summary>
    /// <exception cref="TokenizerException">The file's pattern backtracks without end on this text.</exception>
    public int[] Encode(string text, AddSpecialTokens special = AddSpecialTokens.None)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>(text.Length / 3 + 2);
        if (special == AddSpecialTokens.ByPostProcessor)
            ids.AddRange(_parts.PostProcessor.Before);
        try
        {
            EncodeText(WellFormed(text), ids);
        }
        catch (RegexMatchTimeoutException cause)
        {
            throw new TokenizerException(_parts.Name, "pre_tokenizer", $"a pattern took more than {cause.MatchTimeout} on a text", cause);
        }
        if (special == AddSpecialTokens.ByPostProcessor)
            ids.AddRange(_parts.PostProcessor.After);
        return [.. ids];
    }

    /// <summary>The text of the ids. Ids that no token has are passed over; bytes that are not UTF-8 become U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, SpecialTokens special = SpecialTokens.Keep)
    {
        var detokenizer = CreateDetokenizer(special);
        foreach (int id in ids)
            detokenizer.Write(id);
        return detokenizer.Flush();
    }

    /// <summary>
    /// The bytes that a token adds to a text, also where they are only a part of a character; none where no token has the id.
    /// </summary>
    public byte[] BytesOf(int id)
    {
        if (TextOf(id) is not { } token) return [];
        if (_readsByteAlphabet)
        {
            var bytes = new List<byte>();
            ByteAlphabet.Read(token, bytes);
            return [.. bytes];
        }
        if (_readsByteTokens && ByteFallbackStep.TryReadByte(token, out byte value)) return [value];
        // Decoders may strip the space of a text's first token: the second one keeps it.
        return Encoding.UTF8.GetBytes(Decode([id, id])[Decode([id]).Length..]);
    }

    /// <summary>A decoder for ids that come one by one.</summary>
    public StreamingDetokenizer CreateDetokenizer(SpecialTokens special = SpecialTokens.Skip) => new(this, special, _parts.Decoder);

    /// <summary>The id of a token as the file writes it (byte-level tokens in GPT-2's alphabet), or null.</summary>
    public int? IdOf(string token) => _parts.IdOfAddedToken.TryGetValue(token, out int id) || _parts.Model.Vocabulary.TryGetValue(token, out id)
        ? id : null;

    /// <summary>The token of an id as the file writes it, or null.</summary>
    public string? TokenOf(int id) => (uint)id < (uint)_parts.TokenOfId.Length ? _parts.TokenOfId[id] : null;

    /// <summary>Whether the id is that of a special token, which <see cref="SpecialTokens.Skip"/> leaves out.</summary>
    public bool IsSpecial(int id) => _parts.SpecialIds.Contains(id);

    /// <summary>What decoding takes for an id, before the decoder's steps; null where no token has the id.</summary>
    internal string? TextOf(int id) => (uint)id < (uint)_parts.TextOfId.Length ? _parts.TextOfId[id] : null;

    private string DecodeToken(string token)
    {
        var sink = new TextSink();
        DecodeStep steps = _parts.Decoder(sink);
        steps.Write(token);
        steps.EndToken();
        steps.Finish();
        return sink.Take();
    }

    private void EncodeText(string text, List<int> ids)
    {
        var parts = new List<AddedTokenFinder.Part>();
        _parts.RawTokens.Find(text, parts);
        foreach (var part in parts)
        {
            if (part.Id is int id)
                ids.Add(id);
            else
                EncodeBetween(text[part.Start..part.End], part.Start == 0, ids);
        }
    }

    /// <summary>Encodes text between added tokens; those that are looked for in normalized text are still in it.</summary>
    private void EncodeBetween(string text, bool atStart, List<int> ids)
    {
        var normalized = _parts.Normalizer.Apply(new(text, atStart));
        var parts = new List<AddedTokenFinder.Part>();
        _parts.NormalizedTokens.Find(normalized.Text, parts);
        var pieces = new List<Piece>();
        foreach (var part in parts)
        {
            if (part.Id is int id)
            {
                ids.Add(id);
                continue;
            }
            pieces.Clear();
            var whole = new Piece(normalized.Text, part.Start, part.End - part.Start, normalized.AtStart && part.Start == 0);
            _parts.PreTokenizer.Cut(whole, pieces);
            foreach (var piece in pieces)
                _parts.Model.Encode(piece.Span, ids);
        }
    }

    private static string WellFormed(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return text;
        return string.Create(text.Length, text, static (output, source) =>
        {
            source.CopyTo(output);
            for (int i = 0; i < output.Length; i++)
            {
                if (i + 1 < output.Length && char.IsSurrogatePair(output[i], output[i + 1]))
                    i++;
                else if (char.IsSurrogate(output[i]))
                    output[i] = '\uFFFD';
            }
        });
    }
}
