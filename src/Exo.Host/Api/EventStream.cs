using System.Text.Json.Nodes;

namespace Exo.Host.Api;

/// <summary>Server-sent events: "data: {...}", ended by "data: [DONE]". The response begins with the first event.</summary>
internal sealed class EventStream(HttpContext http)
{
    public async Task SendAsync(JsonNode data)
    {
        if (!http.Response.HasStarted)
        {
            http.Response.ContentType = "text/event-stream; charset=utf-8";
            http.Response.Headers.CacheControl = "no-cache";
        }
        await http.Response.WriteAsync($"data: {ApiResponse.Text(data)}\n\n", http.RequestAborted);
        await http.Response.Body.FlushAsync(http.RequestAborted);
    }

    public async Task EndAsync()
    {
        await http.Response.WriteAsync("data: [DONE]\n\n", http.RequestAborted);
        await http.Response.Body.FlushAsync(http.RequestAborted);
    }
}
