namespace Exo.Model.Text;

/// <summary>
/// Turns ids into text as they come, never half a character: what a later id may still change is held back. The texts of
/// all calls together are what <see cref="Tokenizer.Decode"/> says of all ids together. Not for several threads at once.
/// </summary>
public sealed class StreamingDetokenizer
{
    private readonly Tokenizer _tokenizer;
    private readonly SpecialTokens _special;
    private readonly TextSink _sink = new();
    private readonly DecodeStep _steps;
    private bool _isFinished;

    internal StreamingDetokenizer(Tokenizer tokenizer, SpecialTokens special, Func<DecodeStep, DecodeStep> decoder)
    {
        _tokenizer = tokenizer;
        _special = special;
        _steps = decoder(_sink);
    }

    /// <summary>The text that has become certain with this id, possibly none. Ids that no token has are passed over.</summary>
    /// <exception cref="InvalidOperationException">After <see cref="Flush"/>.</exception>
    public string Append(int id)
    {
        Write(id);
        return _sink.Take();
    }

    /// <summary>The rest. Bytes of a character that never became whole come out as U+FFFD.</summary>
    /// <exception cref="InvalidOperationException">When called twice.</exception>
    public string Flush()
    {
        ThrowIfFinished();
        _isFinished = true;
        _steps.Finish();
        return _sink.Take();
    }

    internal void Write(int id)
    {
        ThrowIfFinished();
        if (_tokenizer.TextOf(id) is not { } token || (_special == SpecialTokens.Skip && _tokenizer.IsSpecial(id)))
            return;
        _steps.Write(token);
        _steps.EndToken();
    }

    private void ThrowIfFinished()
    {
        if (_isFinished)
            throw new InvalidOperationException("the detokenizer was flushed; each text takes a new one");
    }
}
