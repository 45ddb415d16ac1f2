using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Exo.Host.Api;

/// <summary>JSON responses and OpenAI's form of errors.</summary>
internal static class ApiResponse
{
    private static readonly JsonSerializerOptions _json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Text(JsonNode node) => node.ToJsonString(_json);

    public static async Task WriteAsync(HttpContext http, JsonNode body, int status = StatusCodes.Status200OK, CancellationToken cancellation = default)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json; charset=utf-8";
        await http.Response.WriteAsync(Text(body), cancellation);
    }

    /// <summary>{error: {message, type, param, code}}.</summary>
    public static JsonObject Error(ApiException refusal) => new()
    {
        ["error"] = new JsonObject
        {
            ["message"] = refusal.Message,
            ["type"] = refusal.Status switch
            {
                StatusCodes.Status401Unauthorized => "authentication_error",
                StatusCodes.Status429TooManyRequests => "rate_limit_error",
                >= 500 => "server_error",
                _ => "invalid_request_error",
            },
            ["param"] = refusal.Param,
            ["code"] = refusal.Code,
        },
    };
}
