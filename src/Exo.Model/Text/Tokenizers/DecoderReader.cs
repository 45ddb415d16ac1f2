namespace Exo.Model.Text;

/// <summary>Reads the "decoder" of a tokenizer.json.</summary>
internal static class DecoderReader
{
    private const int MaxStripped = 1 << 16;

    /// <summary>Builds the chain of steps that ends in a given one.</summary>
    public static Func<DecodeStep, DecodeStep> Read(JsonField field)
    {
        if (field.IsNull)
            return static next => new JoinBySpaces(next);
        var type = field.Required("type");
        switch (type.String())
        {
            case "Sequence":
                var steps = field.Required("decoders").Items().Select(Read).Reverse().ToArray();
                return next => steps.Aggregate(next, static (chain, step) => step(chain));
            case "ByteLevel":
                return static next => new ByteLevelStep(next);
            case "ByteFallback":
                return static next => new ByteFallbackStep(next);
            case "Fuse":
                return static next => new FuseStep(next);
            case "Replace":
                return ReadReplace(field);
            case "Strip":
                char content = field.Required("content").Character();
                int start = field.Required("start").Integer(0, MaxStripped), stop = field.Required("stop").Integer(0, MaxStripped);
                return next => new StripStep(next, content, start, stop);
            case "Metaspace":
                char replacement = field.Required("replacement").Character();
                var prepend = PreTokenizerReader.ReadPrepend(field);
                return next => new MetaspaceStep(next, replacement, prepend);
            case "BPEDecoder":
                string suffix = field.Member("suffix").IsNull ? "</w>" : field.Member("suffix").String();
                return next => new BpeSuffixStep(next, suffix);
            case var other:
                throw type.Refuse($"the decoder {JsonField.Show(other)} is not supported");
        }
    }

    private static Func<DecodeStep, DecodeStep> ReadReplace(JsonField field)
    {
        string content = field.Required("content").String();
        var pattern = field.Required("pattern");
        var literal = pattern.Member("String");
        // One character can be replaced in the stream; anything longer may begin in one part and end in the next.
        if (!literal.IsNull && literal.String() is [var character])
            return next => new ReplaceCharacterStep(next, character, content);
        var whole = PatternField.Read(pattern);
        return next => new ReplaceStep(next, whole, content);
    }
}
