using System.Text;

namespace Exo.Model.Text.Templates;

/// <summary>Text that is being made, each piece of it paid for.</summary>
internal sealed class PaidText(Budget budget)
{
    private readonly StringBuilder _text = new();

    public PaidText Append(string text)
    {
        budget.PayText((long)_text.Length + text.Length > budget.Limits.MaxText ? long.MaxValue : text.Length);
        _text.Append(text);
        return this;
    }

    public override string ToString() => _text.ToString();
}

/// <summary>One rendering: its budget, its clock, and where its output goes.</summary>
internal sealed class RenderContext
{
    public RenderContext(ChatTemplateLimits limits, TimeProvider time)
    {
        Budget = new Budget(limits);
        Time = time;
        Keys = new KeyComparer(this);
        Output = new PaidText(Budget);
    }

    public Budget Budget { get; }

    public TimeProvider Time { get; }

    public KeyComparer Keys { get; }

    public PaidText Output { get; private set; }

    /// <summary>The line that is being rendered, for errors.</summary>
    public int Line { get; set; }

    public DictValue NewDict() => new(Keys);

    /// <summary>Runs statements, one call deeper, and returns what they print.</summary>
    public string Capture(Statement[] body, Scope scope)
    {
        PaidText outer = Output;
        Output = new PaidText(Budget);
        Budget.Enter();
        Statement.RunAll(body, this, scope);
        Budget.Leave();
        string text = Output.ToString();
        Output = outer;
        return text;
    }
}

/// <summary>The names that are set in one block of a template, and the blocks around it.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    public void Set(string name, object? value) => _values[name] = value;

    public bool TryGet(string name, out object? value)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Outer)
            if (scope._values.TryGetValue(name, out value)) return true;
        value = null;
        return false;
    }

    private Scope? Outer => outer;
}
