using System.Text.Json.Nodes;
using Exo.Model.Text;

namespace Exo.Model.Generation;

/// <summary>The text side of a model: its tokenizer, its chat template if it has one, and the ids that end an answer.</summary>
public sealed record ModelText(Tokenizer Tokenizer, ChatTemplate? ChatTemplate, IReadOnlyCollection<int> EndTokenIds)
{
    /// <summary>
    /// The prompt ids of a conversation ([{role, content}, ...]) by the model's chat template. A model without one takes the last message
    /// as plain text.
    /// </summary>
    public int[] EncodeChat(JsonArray messages, JsonArray? tools = null, JsonObject? variables = null) => ChatTemplate is null
        ? Tokenizer.Encode(messages[^1]?["content"]?.ToString() ?? "", AddSpecialTokens.ByPostProcessor)
        : Tokenizer.Encode(ChatTemplate.Render(messages, tools, addGenerationPrompt: true, variables));

    /// <summary>Reads a model folder.</summary>
    public static ModelText Load(string folder)
    {
        ModelConfig config = ModelConfig.Load(folder);
        Tokenizer tokenizer = Tokenizer.Load(folder);
        if (tokenizer.VocabSize > config.VocabSize)
            throw new ModelException($"{folder}: tokenizer.json has ids up to {tokenizer.VocabSize - 1}, config.json's vocab_size is {config.VocabSize}");
        return new ModelText(tokenizer, ChatTemplate.Load(folder), config.EosTokenId);
    }
}
