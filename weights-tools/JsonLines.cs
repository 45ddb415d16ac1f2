using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Exo.WeightsTools;

/// <summary>A JSON value a line in, a JSON value a line out.</summary>
public static class JsonLines
{
    private static readonly JsonSerializerOptions _options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers every line of standard input on standard output, in order and at once.</summary>
    /// <exception cref="WeightsToolException">A line is no JSON, or not the JSON that is wanted.</exception>
    public static void Answer(Func<JsonElement, object> answer)
    {
        using var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false, throwOnInvalidBytes: true));
        using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { NewLine = "\n", AutoFlush = true };
        Answer(input, output, answer);
    }

    /// <summary>Answers every line of `input` on `output`.</summary>
    public static void Answer(TextReader input, TextWriter output, Func<JsonElement, object> answer)
    {
        int number = 0;
        while (input.ReadLine() is string line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                using var document = JsonDocument.Parse(line);
                output.WriteLine(JsonSerializer.Serialize(answer(document.RootElement), _options));
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
            {
                throw new WeightsToolException($"line {number}: {e.Message}");
            }
        }
    }
}
