using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Exo.Model.Text.Templates;

/// <summary>An error inside a rendering that does not know its template and line yet.</summary>
internal sealed class TemplateFault(ChatTemplateError error, string reason) : Exception(reason)
{
    public ChatTemplateError Error { get; } = error;

    public static TemplateFault Type(string reason) => new(ChatTemplateError.Type, reason);

    public static TemplateFault Value(string reason) => new(ChatTemplateError.Value, reason);

    public static TemplateFault Limit(string reason) => new(ChatTemplateError.Limit, reason);

    public static TemplateFault Runtime(string reason) => new(ChatTemplateError.Runtime, reason);
}

/// <summary>Counts what one rendering costs and ends it where a limit is passed.</summary>
internal sealed class Budget(ChatTemplateLimits limits)
{
    private const int StepsBetweenClocks = 1024;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _steps;
    private long _nextClock = StepsBetweenClocks;
    private int _depth;

    public ChatTemplateLimits Limits => limits;

    /// <summary>Pays for <paramref name="steps"/> steps.</summary>
    public void Pay(long steps = 1)
    {
        _steps += steps;
        if (_steps < _nextClock) return;
        if (_steps > limits.MaxSteps) throw TemplateFault.Limit($"more than {limits.MaxSteps} steps");
        if (Stopwatch.GetElapsedTime(_start) > limits.MaxTime)
            throw TemplateFault.Limit($"rendering took more than {limits.MaxTime.TotalMilliseconds:0} ms");
        _nextClock = _steps + StepsBetweenClocks;
    }

    /// <summary>Pays for a text of so many characters before it is made or walked through.</summary>
    public void PayText(long characters)
    {
        if (characters > limits.MaxText) throw TemplateFault.Limit($"a text of more than {limits.MaxText} characters");
        Pay(1 + characters / 64);
    }

    /// <summary>Pays for searching a text: a long pattern may be compared at every position.</summary>
    public void PaySearch(string text, string pattern) => Pay(1 + text.Length / 64L * (1 + pattern.Length / 256));

    /// <summary>Pays for one step into an expression: what nests there must not overflow the stack.</summary>
    public void PayNode()
    {
        Pay();
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw TooDeep();
    }

    /// <summary>Goes one call (macro, caller, recursive loop) or one nested value deeper. Each needs its <see cref="Leave"/>.</summary>
    public void Enter()
    {
        if (_depth >= limits.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw TooDeep();
        _depth++;
        Pay();
    }

    public void Leave() => _depth--;

    private TemplateFault TooDeep() => TemplateFault.Limit($"nested deeper than {limits.MaxDepth} levels, or than the stack allows");
}
