namespace Exo.Host.Api;

/// <summary>A request that is refused: HTTP status, what is wrong, the field it is about, and OpenAI's error code where there is one.</summary>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null) : Exception(message)
{
    public int Status { get; } = status;

    public string? Param { get; } = param;

    public string? Code { get; } = code;

    /// <summary>A field that is wrong.</summary>
    public static ApiException Bad(string param, string expected, string got) =>
        new(StatusCodes.Status400BadRequest, $"{param}: expected {expected}, got {(got.Length > 60 ? got[..60] + "..." : got)}", param);

    /// <summary>A field that is known and cannot be honoured.</summary>
    public static ApiException Unsupported(string param, string why) =>
        new(StatusCodes.Status400BadRequest, $"{param}: {why}", param, "unsupported_parameter");
}
