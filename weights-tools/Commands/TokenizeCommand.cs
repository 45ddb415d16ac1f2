using System.CommandLine;
using System.Text.Json;
using Exo.Model;
using Exo.Model.Text;

namespace Exo.WeightsTools.Commands;

/// <summary>
/// `exo-weights tokenize MODEL`: a JSON string a line in, a JSON array of ids a line out; with --decode the other way.
/// </summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A folder, or the name of a bundled model." };
        var special = new Option<bool>("--special")
        {
            Description = "Add the special tokens that the model expects around a text; with --decode: leave special tokens out.",
        };
        var decode = new Option<bool>("--decode") { Description = "Ids in, text out." };
        var command = new Command("tokenize", "Turns texts (a JSON string a line) into ids (a JSON array a line), or back.") { model, special, decode };
        command.SetBody(arguments =>
        {
            Tokenizer tokenizer = Tokenizer.Load(ModelLocator.Find(arguments.GetRequiredValue(model)));
            bool isSpecial = arguments.GetValue(special);
            JsonLines.Answer(arguments.GetValue(decode)
                ? ids => tokenizer.Decode(Ids(ids), isSpecial ? SpecialTokens.Skip : SpecialTokens.Keep)
                : text => tokenizer.Encode(Text(text), isSpecial ? AddSpecialTokens.ByPostProcessor : AddSpecialTokens.None));
        });
        return command;
    }

    private static string Text(JsonElement line) => line.ValueKind == JsonValueKind.String
        ? line.GetString()!
        : throw new JsonException($"expected a string, got {line.ValueKind}");

    private static int[] Ids(JsonElement line) => line.ValueKind == JsonValueKind.Array
        ? [.. line.EnumerateArray().Select(id => id.GetInt32())]
        : throw new JsonException($"expected an array of ids, got {line.ValueKind}");
}
