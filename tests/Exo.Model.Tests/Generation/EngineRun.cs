using Exo.Model.Generation;
using Exo.Model.Text;
using Exo.Testing;

namespace Exo.Model.Tests.Generation;

/// <summary>Short ways to run an engine in tests; every wait has a limit.</summary>
internal static class EngineRun
{
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(60);

    public static Tokenizer Tokenizer { get; } = Tokenizer.Load(SharedFolder.DefaultModel);

    /// <summary>The default model's tokenizer, these end tokens, no chat template.</summary>
    public static ModelText Text(params int[] endTokenIds) => new(Tokenizer, null, endTokenIds);

    /// <summary>All tokens of an answer.</summary>
    public static async Task<List<GeneratedToken>> Collect(this Engine engine, GenerationRequest request, CancellationToken cancellation = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_limit);
        var tokens = new List<GeneratedToken>();
        await foreach (GeneratedToken token in engine.GenerateAsync(request, limit.Token)) tokens.Add(token);
        return tokens;
    }

    /// <summary>Waits until <paramref name="condition"/> holds.</summary>
    public static async Task Until(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(_limit);
        while (!condition()) await Task.Delay(1, limit.Token);
    }

    public static string TextOf(IEnumerable<GeneratedToken> tokens) => string.Concat(tokens.Select(token => token.Text));
}
