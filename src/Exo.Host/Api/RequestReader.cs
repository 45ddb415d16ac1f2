namespace Exo.Host.Api;

/// <summary>Reads a body within its limits of size and time.</summary>
internal static class RequestReader
{
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext http, ServerOptions options)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        deadline.CancelAfter(options.BodyTimeout);
        using var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        try
        {
            for (int read; (read = await http.Request.Body.ReadAsync(buffer, deadline.Token)) > 0;)
            {
                if (body.Length + read > options.MaxBodyBytes)
                    throw new ApiException(StatusCodes.Status413PayloadTooLarge, $"the body is larger than {options.MaxBodyBytes} bytes");
                body.Write(buffer, 0, read);
            }
        }
        catch (OperationCanceledException) when (!http.RequestAborted.IsCancellationRequested)
        {
            throw new ApiException(StatusCodes.Status408RequestTimeout, $"the body did not arrive within {options.BodyTimeout.TotalSeconds} s");
        }
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }
}
