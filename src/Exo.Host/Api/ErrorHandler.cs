using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Text;

namespace Exo.Host.Api;

/// <summary>Every failure becomes an error in OpenAI's form: as the response, or as the last event of a stream that has begun.</summary>
internal sealed partial class ErrorHandler(RequestDelegate next, ILogger<ErrorHandler> logger)
{
    public async Task InvokeAsync(HttpContext http)
    {
        try
        {
            await next(http);
            if (http.Response.HasStarted || http.Response.StatusCode is not (StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed)) return;
            await ApiResponse.WriteAsync(
                http, ApiResponse.Error(http.Response.StatusCode, $"{http.Request.Method} {http.Request.Path}: no such endpoint"), http.Response.StatusCode);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client has left: nobody to answer.
        }
        catch (Exception error)
        {
            await AnswerAsync(http, error);
        }
    }

    private async Task AnswerAsync(HttpContext http, Exception error)
    {
        ApiException refusal = error switch
        {
            ApiException known => known,
            RequestException or ChatTemplateException => new ApiException(StatusCodes.Status400BadRequest, error.Message, "messages"),
            BadHttpRequestException bad => new ApiException(bad.StatusCode, bad.Message),
            EngineBusyException => new ApiException(StatusCodes.Status429TooManyRequests, error.Message, null, "queue_full"),
            OperationCanceledException => new ApiException(StatusCodes.Status408RequestTimeout, "the request took longer than this server allows", null, "timeout"),
            NonFiniteException or ModelException => new ApiException(StatusCodes.Status500InternalServerError, error.Message),
            _ => new ApiException(StatusCodes.Status500InternalServerError, "an internal error, see the server's log"),
        };
        if (refusal.Status >= 500) LogFailure(logger, error);
        var body = ApiResponse.Error(refusal.Status, refusal.Message, refusal.Param, refusal.Code);
        try
        {
            if (!http.Response.HasStarted) await ApiResponse.WriteAsync(http, body, refusal.Status);
            else await new EventStream(http).SendAsync(body);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The client has left meanwhile.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "a request failed")]
    private static partial void LogFailure(ILogger logger, Exception error);
}
