namespace Exo.Host.Api;

/// <summary>A request that is refused: HTTP status, what is wrong, the field it is about, and OpenAI's error code where there is one.</summary>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null) : Exception(Clip(message, 400))
{
    public int Status { get; } = status;

    public string? Param { get; } = param is null ? null : Clip(param, 100);

    public string? Code { get; } = code;

    /// <summary>A field that is wrong.</summary>
    public static ApiException Bad(string param, string expected, string got) =>
        new(StatusCodes.Status400BadRequest, $"{Clip(param, 100)}: expected {expected}, got {Clip(got, 60)}", param);

    /// <summary>A field that is known and cannot be honoured.</summary>
    public static ApiException Unsupported(string param, string why) =>
        new(StatusCodes.Status400BadRequest, $"{Clip(param, 100)}: {why}", param, "unsupported_parameter");

    public static ApiException NoSuchModel(string asked, string served) =>
        new(StatusCodes.Status404NotFound, $"the model {Clip(asked, 100)} does not exist; this server has {served}", "model", "model_not_found");

    public static ApiException PromptTooLong(int length, int limit) => new(
        StatusCodes.Status400BadRequest, $"the prompt has {length} tokens, the context holds {limit} with the answer", "messages", "context_length_exceeded");

    /// <summary>What a client sent is repeated in part only.</summary>
    private static string Clip(string text, int length) => text.Length > length ? text[..length] + "..." : text;
}
