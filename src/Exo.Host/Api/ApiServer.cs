using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Exo.Host.Api.OpenAi;
using Exo.Model.Generation;

namespace Exo.Host.Api;

/// <summary>The web server: routes, limits, key.</summary>
internal static class ApiServer
{
    /// <summary>Builds a server on <paramref name="endpoint"/>; a port of 0 picks a free one.</summary>
    public static WebApplication Create(Engine engine, IPEndPoint endpoint, ServerOptions options)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [] });
        builder.Logging.ClearProviders();
        builder.Logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Listen(endpoint);
        });
        WebApplication app = builder.Build();
        app.UseMiddleware<RequestLog>();
        app.UseMiddleware<ErrorHandler>();
        app.Use((http, next) => Authorize(http, next, options));
        var chat = new ChatEndpoint(engine, options, app.Lifetime.ApplicationStopping);
        app.MapPost("/v1/chat/completions", (RequestDelegate)chat.HandleAsync);
        app.MapGet("/v1/models", (RequestDelegate)(http => ApiResponse.WriteAsync(http, ModelList(options))));
        app.MapGet("/v1/models/{id}", (RequestDelegate)(http => ModelById(http, options)));
        app.MapGet("/health", (RequestDelegate)(http => ApiResponse.WriteAsync(http, new JsonObject { ["status"] = "ok", ["model"] = options.ModelId })));
        return app;
    }

    private static Task Authorize(HttpContext http, RequestDelegate next, ServerOptions options)
    {
        if (options.ApiKey is not { } key || http.Request.Path == "/health") return next(http);
        byte[] given = SHA256.HashData(Encoding.UTF8.GetBytes(http.Request.Headers.Authorization.ToString()));
        byte[] expected = SHA256.HashData(Encoding.UTF8.GetBytes($"Bearer {key}"));
        if (CryptographicOperations.FixedTimeEquals(given, expected)) return next(http);
        throw new ApiException(StatusCodes.Status401Unauthorized, "the API key is missing or wrong", null, "invalid_api_key");
    }

    private static JsonObject ModelList(ServerOptions options) => new() { ["object"] = "list", ["data"] = new JsonArray(ModelObject(options)) };

    private static Task ModelById(HttpContext http, ServerOptions options)
    {
        string id = (string)http.Request.RouteValues["id"]!;
        return id == options.ModelId
            ? ApiResponse.WriteAsync(http, ModelObject(options))
            : throw ApiException.NoSuchModel(id, options.ModelId);
    }

    private static JsonObject ModelObject(ServerOptions options) =>
        new() { ["id"] = options.ModelId, ["object"] = "model", ["created"] = 0, ["owned_by"] = "exo" };
}
