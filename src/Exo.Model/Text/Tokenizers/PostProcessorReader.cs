namespace Exo.Model.Text;

/// <summary>Reads the "post_processor" of a tokenizer.json, as far as it concerns single texts.</summary>
internal static class PostProcessorReader
{
    public static PostProcessor Read(JsonField field)
    {
        if (field.IsNull)
            return PostProcessor.None;
        var type = field.Required("type");
        return type.String() switch
        {
            "Sequence" => field.Required("processors").Items().Select(Read)
                .Aggregate(PostProcessor.None, static (inner, outer) => inner.Then(outer)),
            // Moves offsets, adds nothing.
            "ByteLevel" => PostProcessor.None,
            "TemplateProcessing" => ReadTemplate(field),
            "BertProcessing" or "RobertaProcessing" => new([ReadTokenAndId(field.Required("cls"))], [ReadTokenAndId(field.Required("sep"))]),
            var other => throw type.Refuse($"the post-processor {JsonField.Show(other)} is not supported"),
        };
    }

    private static PostProcessor ReadTemplate(JsonField field)
    {
        List<int> before = [], after = [];
        bool behindText = false;
        foreach (var item in field.Required("single").Items())
        {
            var special = item.Member("SpecialToken");
            if (!special.IsNull)
            {
                string name = special.Required("id").String();
                var ids = field.Required("special_tokens").Required(name).Required("ids");
                (behindText ? after : before).AddRange(ids.Items().Select(ReadId));
                continue;
            }
            var sequence = item.Required("Sequence").Required("id");
            if (sequence.String() != "A" || behindText)
                throw sequence.Refuse("expected the sequence A, once");
            behindText = true;
        }
        return behindText ? new([.. before], [.. after]) : throw field.Member("single").Refuse("expected the sequence A, once");
    }

    private static int ReadTokenAndId(JsonField field)
    {
        var pair = field.Items().ToArray();
        return pair.Length == 2 ? ReadId(pair[1]) : throw field.Refuse($"expected a token and its id, got {pair.Length} values");
    }

    private static int ReadId(JsonField field) => field.Integer(0, TokenizerReader.MaxVocabSize - 1);
}
