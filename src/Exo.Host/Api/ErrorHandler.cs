using System.Text.Json.Nodes;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Text;
using Exo.Net.Cluster;

namespace Exo.Host.Api;

/// <summary>Every failure becomes an error in OpenAI's form: as the response, or as the last event of a stream that has begun.</summary>
internal sealed partial class ErrorHandler(RequestDelegate next, ILogger<ErrorHandler> logger)
{
    // A client that does not even read its error is cut off.
    private static readonly TimeSpan _writeTimeout = TimeSpan.FromSeconds(2);

    public async Task InvokeAsync(HttpContext http)
    {
        try
        {
            await next(http);
            if (http.Response.HasStarted) return;
            string endpoint = $"{http.Request.Method} {http.Request.Path}";
            if (http.Response.StatusCode == StatusCodes.Status404NotFound)
                throw new ApiException(StatusCodes.Status404NotFound, $"{endpoint}: no such endpoint", null, "unknown_url");
            if (http.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
                throw new ApiException(StatusCodes.Status405MethodNotAllowed, $"{endpoint}: expected the method {http.Response.Headers.Allow}", null, "method_not_allowed");
        }
        catch (Exception error) when (error is OperationCanceledException or IOException && http.RequestAborted.IsCancellationRequested)
        {
            RequestLog.FactsOf(http).Status = StatusCodes.Status499ClientClosedRequest;
        }
        catch (Exception error)
        {
            await AnswerAsync(http, RefusalOf(error));
        }
    }

    private ApiException RefusalOf(Exception error)
    {
        switch (error)
        {
            case ApiException known:
                return known;
            case BadHttpRequestException bad:
                return new ApiException(bad.StatusCode, bad.Message);
            case RequestException or ChatTemplateException or TokenizerException:
                return new ApiException(StatusCodes.Status400BadRequest, error.Message, "messages");
            case EngineBusyException:
                return new ApiException(StatusCodes.Status429TooManyRequests, error.Message, null, "queue_full");
            case ClusterException:
                LogFailure(logger, error);
                return new ApiException(StatusCodes.Status503ServiceUnavailable, error.Message, null, "node_failed");
            default:
                LogFailure(logger, error);
                string message = error is NonFiniteException or ModelException ? error.Message : "an internal error, see the server's log";
                return new ApiException(StatusCodes.Status500InternalServerError, message);
        }
    }

    private static async Task AnswerAsync(HttpContext http, ApiException refusal)
    {
        RequestLog.FactsOf(http).Status = refusal.Status;
        JsonObject body = ApiResponse.Error(refusal);
        using var timeout = new CancellationTokenSource(_writeTimeout);
        try
        {
            if (EventStream.HasBegun(http)) await new EventStream(http, timeout.Token).SendAsync(body);
            else if (!http.Response.HasStarted) await ApiResponse.WriteAsync(http, body, refusal.Status, timeout.Token);
            else http.Abort();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            http.Abort();
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "a request failed")]
    private static partial void LogFailure(ILogger logger, Exception error);
}
