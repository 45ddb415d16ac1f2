using System.Diagnostics;

namespace Exo.Host.Api;

/// <summary>One structured line a request: path, status, time, token counts, never text of prompts or answers.</summary>
internal sealed partial class RequestLog(RequestDelegate next, ILogger<RequestLog> logger)
{
    private const string Key = "exo.request";

    private sealed class Facts
    {
        public string? Id { get; set; }
        public string? User { get; set; }
        public int PromptTokens { get; set; }
        public int CompletionTokens { get; set; }
    }

    public static void Describe(HttpContext http, string id, int promptTokens, string? user)
    {
        Facts facts = Of(http);
        (facts.Id, facts.PromptTokens, facts.User) = (id, promptTokens, user);
    }

    public static void Finish(HttpContext http, int completionTokens) => Of(http).CompletionTokens = completionTokens;

    public async Task InvokeAsync(HttpContext http)
    {
        var facts = new Facts();
        http.Items[Key] = facts;
        long start = Stopwatch.GetTimestamp();
        await next(http);
        int status = http.RequestAborted.IsCancellationRequested ? StatusCodes.Status499ClientClosedRequest : http.Response.StatusCode;
        LogRequest(
            logger, http.Request.Method, http.Request.Path.Value ?? "", status, Stopwatch.GetElapsedTime(start).TotalMilliseconds, facts.Id, facts.User,
            facts.PromptTokens, facts.CompletionTokens);
    }

    private static Facts Of(HttpContext http) => (Facts)http.Items[Key]!;

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "{Method} {Path} {Status} in {ElapsedMs:F1} ms, id {Id}, user {User}, {PromptTokens} prompt tokens, {CompletionTokens} completion tokens")]
    private static partial void LogRequest(
        ILogger logger, string method, string path, int status, double elapsedMs, string? id, string? user, int promptTokens, int completionTokens);
}
