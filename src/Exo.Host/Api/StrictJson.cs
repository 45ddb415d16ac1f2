using System.Text.Json;
using System.Text.Unicode;

namespace Exo.Host.Api;

/// <summary>JSON from outside: UTF-8, no name twice in an object, at most 64 levels deep, every name and string valid text.</summary>
internal static class StrictJson
{
    private const int MaxDepth = 64;

    /// <exception cref="JsonException">Says what is wrong, and where.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> utf8)
    {
        if (!Utf8.IsValid(utf8.Span)) throw new JsonException("not valid UTF-8");
        RequireText(utf8.Span);
        using JsonDocument document = JsonDocument.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = MaxDepth });
        return document.RootElement.Clone();
    }

    /// <summary>Half a surrogate pair can hide in an escape; the document would throw only when the string is read.</summary>
    private static void RequireText(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
        while (reader.Read())
        {
            if (!reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException)
            {
                throw new JsonException($"the string at byte {reader.TokenStartIndex} has an unpaired surrogate");
            }
        }
    }
}
