using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>{% for target in items if filter recursive %} body {% else %} empty {% endfor %}.</summary>
internal sealed record For(int Line, Target Target, Expression Items, Expression? Filter, bool IsRecursive, Statement[] Body, Statement[] Empty)
    : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        RunOver(context, scope, Items.Evaluate(context, scope), depth: 0);
        return Flow.Next;
    }

    public void RunOver(RenderContext context, Scope scope, object? items, int depth)
    {
        IEnumerable<object?> elements = Types.Elements(context, items);
        if (Filter is not null) elements = elements.Where(element => Passes(context, scope, element));
        var loop = new LoopValue(this, scope, elements.GetEnumerator(), depth);
        bool any = false;
        while (loop.MoveNext())
        {
            any = true;
            context.Budget.Pay();
            var inner = new Scope(scope);
            inner.Set("loop", loop);
            Target.Assign(context, inner, loop.Current);
            if (RunAll(Body, context, inner) == Flow.Break) break;
        }

        if (!any) RunAll(Empty, context, new Scope(scope));
    }

    private bool Passes(RenderContext context, Scope scope, object? element)
    {
        var inner = new Scope(scope);
        Target.Assign(context, inner, element);
        return Types.IsTrue(Filter!.Evaluate(context, inner));
    }
}

/// <summary>The variable `loop`: where a for loop is, and, in a recursive one, a function that runs the loop over other items.</summary>
internal sealed class LoopValue(For statement, Scope scope, IEnumerator<object?> items, int depth) : ICallable
{
    private readonly Queue<object?> _ahead = new();
    private object? _previous = Missing.Value;
    private object? _lastChecked = Missing.Value;

    public int Index0 { get; private set; } = -1;

    public object? Current { get; private set; } = Missing.Value;

    /// <summary>The number of items, for which those ahead must be taken from their source.</summary>
    public int Length
    {
        get
        {
            while (items.MoveNext()) _ahead.Enqueue(items.Current);
            return Index0 + 1 + _ahead.Count;
        }
    }

    public bool MoveNext()
    {
        if (!Peek(out object? next)) return false;
        _ahead.Dequeue();
        Index0++;
        (_previous, Current) = (Current, next);
        return true;
    }

    public IEnumerable<object?> Rest()
    {
        while (MoveNext()) yield return new TupleValue([Current, this]);
    }

    public bool TryAttribute(string name, out object? value)
    {
        value = name switch
        {
            "index" => new BigInteger(Index0 + 1),
            "index0" => new BigInteger(Index0),
            "revindex" => new BigInteger(Length - Index0),
            "revindex0" => new BigInteger(Length - Index0 - 1),
            "first" => Index0 == 0,
            "last" => !Peek(out _),
            "length" => new BigInteger(Length),
            "depth" => new BigInteger(depth + 1),
            "depth0" => new BigInteger(depth),
            "previtem" => _previous is Missing ? new Undefined("there is no previous item") : _previous,
            "nextitem" => Peek(out object? next) ? next : new Undefined("there is no next item"),
            "cycle" => new BoundMethod(this, name, (_, arguments) => Cycle(arguments.Positional)),
            "changed" => new BoundMethod(this, name, (context, arguments) => Changed(context, arguments.Positional)),
            _ => Missing.Value,
        };
        return value is not Missing;
    }

    public object? Call(RenderContext context, Arguments arguments)
    {
        if (!statement.IsRecursive) throw TemplateFault.Type("The loop must have the 'recursive' marker to be called recursively.");
        if (arguments.Positional is not [object or null] || arguments.Named.Count > 0) throw TemplateFault.Type("loop() takes the items alone");
        return context.Capture([new RecursiveRun(statement, scope, arguments.Positional[0], depth + 1)], scope);
    }

    private bool Peek(out object? next)
    {
        if (_ahead.Count == 0 && items.MoveNext()) _ahead.Enqueue(items.Current);
        return _ahead.TryPeek(out next);
    }

    private object? Cycle(IReadOnlyList<object?> values) =>
        values.Count == 0 ? throw TemplateFault.Type("no items for cycling given") : values[Index0 % values.Count];

    private object Changed(RenderContext context, IReadOnlyList<object?> values)
    {
        var now = new TupleValue([.. values]);
        if (_lastChecked is not Missing && Operators.AreEqual(context, _lastChecked, now)) return false;
        _lastChecked = now;
        return true;
    }

    private sealed record RecursiveRun(For Loop, Scope Around, object? Items, int Depth) : Statement(Loop.Line)
    {
        protected override Flow Run(RenderContext context, Scope scope)
        {
            Loop.RunOver(context, Around, Items, Depth);
            return Flow.Next;
        }
    }
}
