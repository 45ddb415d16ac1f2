using System.Text;
using System.Text.Json.Nodes;

namespace Exo.Host.Api;

/// <summary>Server-sent events: "data: {...}", ended by "data: [DONE]". The response begins with the first event.</summary>
internal sealed class EventStream(HttpContext http, CancellationToken cancellation)
{
    private const string ContentType = "text/event-stream; charset=utf-8";

    /// <summary>True where the response is such a stream already.</summary>
    public static bool HasBegun(HttpContext http) => http.Response.HasStarted && http.Response.ContentType == ContentType;

    public Task SendAsync(JsonNode data) => WriteAsync(ApiResponse.Text(data));

    public Task EndAsync() => WriteAsync("[DONE]");

    private async Task WriteAsync(string data)
    {
        if (!http.Response.HasStarted)
        {
            http.Response.ContentType = ContentType;
            http.Response.Headers.CacheControl = "no-cache";
        }
        // Writing flushes too, and waits while the client does not read.
        await http.Response.BodyWriter.WriteAsync(Encoding.UTF8.GetBytes($"data: {data}\n\n"), cancellation);
    }
}
