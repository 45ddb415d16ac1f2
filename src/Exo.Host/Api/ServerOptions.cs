namespace Exo.Host.Api;

/// <summary>What a server offers and how much it takes.</summary>
internal sealed record ServerOptions
{
    /// <summary>The model's name in requests.</summary>
    public required string ModelId { get; init; }

    /// <summary>Bytes of a request's body, at most.</summary>
    public int MaxBodyBytes { get; init; } = 4 << 20;

    /// <summary>Time that a request may take, its wait in the queue included.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Time in which a body must arrive.</summary>
    public TimeSpan BodyTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Bearer token that requests must carry; null = none, which only a loopback address may have.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Connections at once; more are closed as they come.</summary>
    public int MaxConnections { get; init; } = 4096;

    /// <summary>Time that requests have to end when the server stops; they are told at once.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
