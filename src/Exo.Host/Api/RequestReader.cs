namespace Exo.Host.Api;

/// <summary>Reads a body within its limit of time; Kestrel holds the limit of size.</summary>
internal static class RequestReader
{
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext http, ServerOptions options, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(options.BodyTimeout);
        using var body = new MemoryStream();
        try
        {
            await http.Request.Body.CopyToAsync(body, deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ApiException(StatusCodes.Status408RequestTimeout, $"the body did not arrive within {options.BodyTimeout.TotalSeconds} s", null, "timeout");
        }
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }
}
