using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;

namespace Exo.Host.Api;

/// <summary>What is logged of a request: never text of prompts or answers.</summary>
internal sealed class RequestFacts
{
    public string? Id { get; set; }
    public string? User { get; set; }
    public int PromptTokens { get; set; }
    public int CompletionTokens { get; set; }

    /// <summary>How the request ended where that is not the response's status: a stream that failed, a client that left.</summary>
    public int? Status { get; set; }
}

/// <summary>One structured line a request: path, status, time, token counts.</summary>
internal sealed partial class RequestLog(RequestDelegate next, ILogger<RequestLog> logger)
{
    public static RequestFacts FactsOf(HttpContext http) => http.Features.GetRequiredFeature<RequestFacts>();

    public async Task InvokeAsync(HttpContext http)
    {
        var facts = new RequestFacts();
        http.Features.Set(facts);
        long start = Stopwatch.GetTimestamp();
        await next(http);
        LogRequest(
            logger, http.Request.Method, http.Request.Path.Value ?? "", facts.Status ?? http.Response.StatusCode,
            Stopwatch.GetElapsedTime(start).TotalMilliseconds, facts.Id, facts.User, facts.PromptTokens, facts.CompletionTokens);
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "{Method} {Path} {Status} in {ElapsedMs:F1} ms, id {Id}, user {User}, {PromptTokens} prompt tokens, {CompletionTokens} completion tokens")]
    private static partial void LogRequest(
        ILogger logger, string method, string path, int status, double elapsedMs, string? id, string? user, int promptTokens, int completionTokens);
}
